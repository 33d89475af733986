//! The list: narrowing, orders, windows by cursor, the starred view (ui.md 6.2, 12 "Long lists").

use axum::http::StatusCode;
use postamt::model::AccountId;

use crate::browser::{Answer, Browser, deliver, world};
use crate::common::people::World;

async fn mail(world: &World, to: AccountId, from: &str, whom: &str, subject: &str, size: usize) {
    let letter = format!(
        "From: {from}\r\nTo: {whom}\r\nSubject: {subject}\r\nMessage-ID: <{:x}@y.test>\r\n\r\n{}\r\n",
        rand::random::<u64>(),
        "x".repeat(size)
    );
    deliver(world, to, letter.as_bytes()).await;
}

/// The subjects of a page's rows, in their order.
fn subjects(answer: &Answer) -> Vec<String> {
    let page = answer.text();
    assert_eq!(answer.status, StatusCode::OK, "{page}");
    page.split("<span class=\"sj ell grow\">")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect()
}

/// The value of an attribute of the (only) window.
fn of_window(answer: &Answer, name: &str) -> String {
    let page = answer.text();
    let at = page.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
    page[at..].split('"').next().unwrap().to_owned()
}

async fn small() -> (World, Browser) {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    for (from, whom, subject, size) in [
        ("Zoe <z@y.test>", "anna@x.test", "Re: Birne", 10),
        (
            "Adam <a@y.test>",
            "Anna <ANNA@X.test>, b@y.test",
            "Apfel",
            3_000,
        ),
        ("Mia <m@y.test>", "list@y.test", "AW: Fwd: Dattel", 200),
        ("zz@y.test", "b@y.test", "Citrone", 1_000),
    ] {
        mail(&world, anna.account, from, whom, subject, size).await;
    }
    (world, anna)
}

#[tokio::test]
async fn the_list_is_sorted_as_asked() {
    let (_world, anna) = small().await;
    for (sort, order) in [
        ("", ["Citrone", "AW: Fwd: Dattel", "Apfel", "Re: Birne"]),
        (
            "oldest",
            ["Re: Birne", "Apfel", "AW: Fwd: Dattel", "Citrone"],
        ),
        (
            "sender",
            ["Apfel", "AW: Fwd: Dattel", "Re: Birne", "Citrone"],
        ),
        (
            "subject",
            ["Apfel", "Re: Birne", "Citrone", "AW: Fwd: Dattel"],
        ),
        ("size", ["Apfel", "Citrone", "AW: Fwd: Dattel", "Re: Birne"]),
        (
            "nonsense",
            ["Citrone", "AW: Fwd: Dattel", "Apfel", "Re: Birne"],
        ),
    ] {
        let answer = anna.get(&format!("/mail/inbox?sort={sort}")).await;
        assert_eq!(subjects(&answer), order, "{sort}");
        let from = anna
            .get(&format!("/mail/inbox/rows?sort={sort}&offset=2"))
            .await;
        assert_eq!(subjects(&from), order[2..], "{sort}");
        assert_eq!(
            answer.text().contains("class=\"grp\""),
            matches!(sort, "" | "oldest" | "nonsense")
        );
    }
}

#[tokio::test]
async fn to_me_is_what_names_the_account_itself() {
    let (_world, anna) = small().await;
    let answer = anna.get("/mail/inbox?filter=tome").await;
    assert_eq!(subjects(&answer), ["Apfel", "Re: Birne"]);
    assert!(answer.text().contains("aria-rowcount=\"2\""));
    let both = anna.get("/mail/inbox?filter=attachment,tome").await;
    assert!(subjects(&both).is_empty());

    // What "everything" means is narrowed, too.
    let state = of_window(&answer, "data-modseq");
    let form = format!(
        "_t={}&from=inbox&all=1&filter=tome&state={state}&op=delete",
        anna.csrf
    );
    let kind = "application/x-www-form-urlencoded";
    anna.post_body("/mail/do", kind, form.into_bytes(), &[])
        .await;
    let left = anna.get("/mail/inbox").await;
    assert_eq!(subjects(&left), ["Citrone", "AW: Fwd: Dattel"]);
}

#[tokio::test]
async fn starred_messages_of_all_folders_are_a_view_of_their_own() {
    let (_world, anna) = small().await;
    let empty = anna.get("/mail/starred").await.text();
    assert!(empty.contains("Nichts ist markiert."));
    let rows = anna.get("/mail/inbox").await.text();
    let at = rows.find("data-m=\"").unwrap() + 8;
    let id = rows[at..].split('"').next().unwrap().to_owned();
    for op in ["star", "archive"] {
        let form = format!("_t={}&from=inbox&op={op}&ids=m{id}", anna.csrf);
        let kind = "application/x-www-form-urlencoded";
        anna.post_body("/mail/do", kind, form.into_bytes(), &[])
            .await;
    }
    let answer = anna.get("/mail/starred").await;
    assert_eq!(subjects(&answer), ["Citrone"]);
    let page = answer.text();
    assert!(
        page.contains("<h1>Markiert ") && !page.contains("value=\"is:starred\""),
        "{page}"
    );
    let sorted = anna.get("/mail/archive?sort=starred").await;
    assert_eq!(subjects(&sorted), ["Citrone"]);
}

#[tokio::test]
async fn windows_meet_whatever_comes_in_between() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    for n in 0..120 {
        mail(
            &world,
            anna.account,
            "a@y.test",
            "anna@x.test",
            &format!("N{n:03}"),
            1,
        )
        .await;
    }
    let wanted = |from: usize, to: usize| -> Vec<String> {
        (to..from).rev().map(|n| format!("N{n:03}")).collect()
    };
    let top = anna.get("/mail/inbox").await;
    assert_eq!(subjects(&top), wanted(120, 70));
    let last = of_window(&top, "data-last");
    // Something arrives above; the next window begins where the first one ended.
    mail(&world, anna.account, "a@y.test", "anna@x.test", "neu", 1).await;
    let path = format!("/mail/inbox/rows?offset=50&at={last}&dir=older");
    let next = anna.get(&path).await;
    assert_eq!(subjects(&next), wanted(70, 20));
    assert_eq!(of_window(&next, "data-offset"), "50");
    let first = of_window(&next, "data-first");
    let path = format!("/mail/inbox/rows?offset=20&limit=30&at={first}&dir=newer");
    assert_eq!(subjects(&anna.get(&path).await), wanted(100, 70));
    // A jump goes by number.
    assert_eq!(
        subjects(&anna.get("/mail/inbox/rows?offset=101").await),
        wanted(20, 0)
    );
    assert!(subjects(&anna.get("/mail/inbox/rows?offset=500").await).is_empty());
    for bad in [
        "x",
        "1",
        "1.x",
        ".",
        "99999999999999999999999999999999999999999.1",
    ] {
        let path = format!("/mail/inbox/rows?offset=119&at={bad}");
        assert_eq!(subjects(&anna.get(&path).await), wanted(2, 0), "{bad}");
    }
}
