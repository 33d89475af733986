use super::*;
use proptest::prelude::*;

fn limits() -> SessionLimits {
    SessionLimits {
        wrong_before_delay: 2,
        wrong_before_close: 4,
        sign_in_tries: 3,
    }
}

fn say(state: &mut State, line: &str) -> Action {
    state.step(crate::format::pop3::parse(line.as_bytes()), false)
}

/// The text of a plain answer.
fn text(action: &Action) -> String {
    match action {
        Action::Reply(reply) | Action::Slow(reply) | Action::Close(reply) => reply.to_string(),
        other => panic!("{other:?}"),
    }
}

fn signed_in(messages: u32) -> State {
    let mut state = State::new(true, limits());
    state.signed_in(messages);
    state
}

const SIGN_IN: [&str; 5] = ["USER anna", "PASS x", "AUTH PLAIN", "AUTH LOGIN", "AUTH"];
const WORK: [&str; 12] = [
    "STAT", "LIST", "LIST 1", "UIDL", "UIDL 1", "RETR 1", "TOP 1 0", "DELE 1", "RSET", "NOOP",
    "PASS x", "UTF8 x",
];

#[test]
fn in_clear_nobody_can_sign_in() {
    for line in SIGN_IN.into_iter().chain(WORK) {
        let mut state = State::new(false, limits());
        assert!(text(&say(&mut state, line)).starts_with("-ERR "), "{line}");
    }
    let mut state = State::new(false, limits());
    assert!(matches!(say(&mut state, "STLS"), Action::StartTls(_)));
    let Action::Lines(_, names) = say(&mut state, "CAPA") else {
        panic!("no capabilities")
    };
    assert!(names.contains(&"STLS".to_owned()));
    assert!(!names.iter().any(|n| n.starts_with("SASL") || n == "USER"));
}

#[test]
fn octets_behind_stls_hang_up() {
    let mut state = State::new(false, limits());
    assert_eq!(state.step(Ok(Command::Stls), true), Action::Hangup);
}

#[test]
fn a_name_said_in_clear_is_forgotten() {
    let mut state = State::new(false, limits());
    say(&mut state, "USER anna");
    state.tls_started();
    assert!(text(&say(&mut state, "PASS x")).starts_with("-ERR USER first"));
    assert!(text(&say(&mut state, "STLS")).starts_with("-ERR "));
}

#[test]
fn a_password_needs_a_name_just_before() {
    let mut state = State::new(true, limits());
    assert!(text(&say(&mut state, "USER anna")).starts_with("+OK"));
    assert!(matches!(say(&mut state, "PASS a b"), Action::SignIn { name, .. } if name == "anna"));
    assert!(text(&say(&mut state, "PASS a b")).starts_with("-ERR USER first"));
    say(&mut state, "USER anna");
    assert!(matches!(say(&mut state, "CAPA"), Action::Lines(..)));
    assert!(matches!(say(&mut state, "PASS x"), Action::SignIn { .. }));
}

#[test]
fn commands_of_the_other_state_are_refused() {
    for line in WORK {
        let mut state = State::new(true, limits());
        assert!(text(&say(&mut state, line)).starts_with("-ERR "), "{line}");
    }
    for line in SIGN_IN.into_iter().chain(["STLS", "UTF8"]) {
        let mut state = signed_in(1);
        assert!(text(&say(&mut state, line)).starts_with("-ERR "), "{line}");
    }
    assert!(matches!(
        say(&mut State::new(true, limits()), "QUIT"),
        Action::Close(_)
    ));
    assert_eq!(say(&mut signed_in(1), "QUIT"), Action::Commit);
}

#[test]
fn numbers_are_those_of_the_snapshot() {
    for verb in ["LIST {}", "UIDL {}", "RETR {}", "TOP {} 0", "DELE {}"] {
        for (number, is_there) in [
            (0, false),
            (1, true),
            (2, true),
            (3, false),
            (u32::MAX, false),
        ] {
            let mut state = signed_in(2);
            let action = say(&mut state, &verb.replace("{}", &number.to_string()));
            assert_eq!(
                !matches!(action, Action::Reply(_)),
                is_there,
                "{verb} {number}"
            );
        }
    }
}

#[test]
fn a_marked_message_is_not_there_until_rset() {
    let mut state = signed_in(70);
    state.mark(64, 100);
    state.mark(64, 100);
    state.mark(70, 11);
    state.mark(71, 1_000);
    let marks = state.marks().unwrap();
    assert_eq!((marks.marked(), marks.octets()), (2, 111));
    assert_eq!(marks.iter().collect::<Vec<_>>(), [64, 70]);
    for line in ["LIST 64", "UIDL 64", "RETR 64", "TOP 64 0", "DELE 64"] {
        assert!(
            text(&say(&mut state, line)).starts_with("-ERR Message is marked"),
            "{line}"
        );
    }
    assert!(text(&say(&mut state, "RSET")).starts_with("+OK"));
    assert_eq!(state.marks().unwrap().marked(), 0);
    assert_eq!(say(&mut state, "DELE 64"), Action::Delete(64));
}

#[test]
fn wrong_commands_slow_down_and_end() {
    let mut state = signed_in(1);
    for _ in 0..2 {
        assert!(matches!(say(&mut state, "XXXX"), Action::Reply(_)));
    }
    for _ in 0..2 {
        assert!(matches!(say(&mut state, "RETR x"), Action::Slow(_)));
    }
    assert!(matches!(say(&mut state, "STLS"), Action::Close(_)));
    // A number that is no message is no fault of the program's.
    let mut state = signed_in(1);
    for _ in 0..100 {
        assert!(matches!(say(&mut state, "RETR 2"), Action::Reply(_)));
    }
}

#[test]
fn the_last_failed_sign_in_closes() {
    let mut state = State::new(true, limits());
    for _ in 0..2 {
        assert!(matches!(
            state.sign_in_failed(reply::sign_in_failed()),
            Action::Reply(_)
        ));
    }
    assert!(matches!(
        state.sign_in_failed(reply::sign_in_failed()),
        Action::Close(_)
    ));
}

proptest! {
    #[test]
    fn marks_count_what_they_hold(messages in 0_u32..300, numbers in proptest::collection::vec(0_u32..320, 0..80)) {
        let mut state = signed_in(messages);
        let mut expected = std::collections::BTreeSet::new();
        for number in numbers {
            state.mark(number, 3);
            if (1..=messages).contains(&number) {
                expected.insert(number);
            }
        }
        let marks = state.marks().unwrap();
        prop_assert_eq!(marks.iter().collect::<Vec<_>>(), expected.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(usize::try_from(marks.marked()).unwrap(), expected.len());
        prop_assert_eq!(marks.octets(), 3 * u64::from(marks.marked()));
    }

    #[test]
    fn any_sequence_of_commands_is_answered(
        has_tls in any::<bool>(),
        lines in proptest::collection::vec("(STLS|CAPA|USER a|PASS b|AUTH|AUTH PLAIN|LIST|LIST 1|DELE 1|RSET|QUIT|X)", 0..30),
    ) {
        let mut state = State::new(has_tls, limits());
        for line in lines {
            match say(&mut state, &line) {
                Action::Close(_) | Action::Hangup | Action::Commit => break,
                Action::StartTls(_) => state.tls_started(),
                Action::SignIn { .. } => {
                    prop_assert!(state.has_tls);
                    state.signed_in(1);
                }
                Action::Delete(number) => state.mark(number, 1),
                _ => {}
            }
        }
    }
}
