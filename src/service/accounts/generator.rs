//! Makes passwords from the system's randomness (`security.md` 3, "Generator").
//!
//! A word is a first part and a second part of the tables below, as German builds its nouns: `moosturm`, `seevogel`.
//! 72 first parts times 108 second parts are exactly 7,776 words = 6^5, all different (a test holds both), so five words
//! and two digits carry 5 × log2(7776) + log2(100) = 71 bits. No umlauts and no `ß`: they are typed on foreign keyboards.

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::config::Secret;
use crate::error::Refusal;

/// How a password is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    /// So many words with hyphens between them, two digits behind.
    Words(usize),
    /// So many letters and digits without those that look alike (`0O1lI`).
    Characters {
        /// 16..=32.
        count: usize,
        /// Whether `!#$%&*+-=?@_` may occur too.
        symbols: bool,
    },
}

impl Recipe {
    /// What an initial password is made by.
    pub const INITIAL: Self = Self::Words(5);

    /// The recipe within its limits: 5..=10 words, 16..=32 characters.
    #[must_use]
    pub fn clamped(self) -> Self {
        match self {
            Self::Words(count) => Self::Words(count.clamp(5, 10)),
            Self::Characters { count, symbols } => Self::Characters {
                count: count.clamp(16, 32),
                symbols,
            },
        }
    }
}

/// A password that was made, and what it carries.
#[derive(Debug, Clone)]
pub struct Generated {
    /// The password.
    pub password: Secret,
    /// Its entropy, rounded down.
    pub bits: u32,
}

/// Makes a password.
///
/// # Errors
/// [`Refusal::Internal`] when the system gives no randomness.
pub fn generate(recipe: Recipe) -> Result<Generated, Refusal> {
    let mut text = Zeroizing::new(String::with_capacity(160));
    let mut space = Space::default();
    match recipe.clamped() {
        Recipe::Words(count) => {
            for _ in 0..count {
                text.push_str(pick(&FIRST, &mut space)?);
                text.push_str(pick(&SECOND, &mut space)?);
                text.push('-');
            }
            for _ in 0..2 {
                text.push(char::from(*pick(b"0123456789", &mut space)?));
            }
        }
        Recipe::Characters { count, symbols } => {
            let alphabet = [ALPHABET, if symbols { SYMBOLS } else { b"" }].concat();
            for _ in 0..count {
                text.push(char::from(*pick(&alphabet, &mut space)?));
            }
        }
    }
    Ok(Generated {
        password: Secret::new(std::mem::take(&mut *text)),
        bits: space.bits(),
    })
}

/// 24 random letters and digits: an app password, too long to guess and therefore kept under a fast hash.
///
/// # Errors
/// [`Refusal::Internal`] when the system gives no randomness.
pub(super) fn app_password() -> Result<Secret, Refusal> {
    let mut space = Space::default();
    let mut text = String::with_capacity(APP_PASSWORD_LENGTH);
    for _ in 0..APP_PASSWORD_LENGTH {
        text.push(char::from(*pick(ALPHABET, &mut space)?));
    }
    Ok(Secret::new(text))
}

/// A code to sign in with once, when the second factor is lost: `abcdef-ghjkmn`, 59 bits.
///
/// # Errors
/// [`Refusal::Internal`] when the system gives no randomness.
pub(super) fn recovery_code() -> Result<Secret, Refusal> {
    let mut space = Space::default();
    let mut text = String::with_capacity(13);
    for n in 0..12 {
        if n == 6 {
            text.push('-');
        }
        text.push(char::from(*pick(CODE_ALPHABET, &mut space)?));
    }
    Ok(Secret::new(text))
}

/// So many bytes from the system.
///
/// # Errors
/// [`Refusal::Internal`] when the system gives no randomness.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Refusal::Internal("no randomness"))?;
    Ok(bytes)
}

/// How many passwords the choices made so far could have been.
#[derive(Default)]
struct Space {
    log2: f64,
}

impl Space {
    fn times(&mut self, choices: u16) {
        self.log2 += f64::from(choices).log2();
    }

    fn bits(&self) -> u32 {
        // At most ten words or 32 characters: below 256 bits.
        (0..256)
            .rev()
            .find(|bits| f64::from(*bits) <= self.log2)
            .unwrap_or(0)
    }
}

/// One of `choices`, each as likely: draws above the last whole multiple are thrown away.
fn pick<'a, T>(choices: &'a [T], space: &mut Space) -> Result<&'a T, Refusal> {
    let count = u16::try_from(choices.len())
        .ok()
        .filter(|n| *n > 0)
        .ok_or(Refusal::Internal("nothing to choose from"))?;
    space.times(count);
    let fair = u16::MAX - u16::MAX % count;
    loop {
        let drawn = u16::from_le_bytes(random()?);
        if drawn < fair
            && let Some(choice) = choices.get(usize::from(drawn % count))
        {
            return Ok(choice);
        }
    }
}

/// Characters of an app password; nothing else is looked up among them.
pub(super) const APP_PASSWORD_LENGTH: usize = 24;
/// Without `0 O 1 l I`.
const ALPHABET: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// What every keyboard and form takes.
const SYMBOLS: &[u8] = b"!#$%&*+-=?@_";
/// Lower case only: a code is read from paper.
const CODE_ALPHABET: &[u8] = b"23456789abcdefghijkmnpqrstuvwxyz";

const FIRST: [&str; 72] = [
    "alm", "apfel", "auen", "bach", "ball", "baum", "beet", "berg", "birk", "blatt", "block",
    "boot", "brot", "bunt", "busch", "dach", "deich", "dorf", "dost", "eis", "elch", "erz", "farn",
    "fass", "feld", "fels", "fisch", "flur", "forst", "gras", "halm", "harz", "haus", "heu", "hof",
    "holz", "honig", "horn", "kahn", "kalk", "kern", "kies", "klee", "korb", "korn", "krug",
    "laub", "lehm", "licht", "luft", "malz", "markt", "mohn", "mond", "moor", "moos", "nest",
    "nord", "nuss", "pilz", "rad", "reet", "ring", "sand", "schilf", "see", "stern", "tal", "tau",
    "ufer", "wald", "wind",
];

const SECOND: [&str; 108] = [
    "amsel", "anker", "ast", "bahn", "bank", "beere", "biene", "blume", "boje", "bogen", "brett",
    "brief", "brise", "buch", "bucht", "dachs", "damm", "docht", "dose", "drossel", "ecke", "ente",
    "eule", "faden", "fahne", "falke", "feder", "feuer", "fink", "furt", "gabel", "garn", "garten",
    "gasse", "geige", "glas", "glocke", "hafen", "hahn", "hase", "hecke", "helm", "hirsch",
    "hummel", "hut", "igel", "insel", "kanne", "karte", "katze", "kelle", "kerze", "kiste",
    "klang", "knopf", "kran", "kranz", "kreis", "krone", "kugel", "laden", "lampe", "laube",
    "leiter", "linde", "luchs", "mantel", "marke", "mast", "maus", "meise", "mole", "mulde",
    "nadel", "napf", "nelke", "otter", "pfad", "platz", "quelle", "rabe", "rampe", "regal", "rose",
    "ruder", "saal", "salz", "schaf", "segel", "seil", "specht", "spur", "stab", "steg", "stube",
    "tafel", "tasse", "teich", "tisch", "topf", "truhe", "turm", "vogel", "waage", "wagen",
    "weiher", "wolke", "zaun",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_word_list_has_7776_different_words() {
        let words: HashSet<String> = FIRST
            .iter()
            .flat_map(|first| SECOND.iter().map(move |second| format!("{first}{second}")))
            .collect();
        assert_eq!(words.len(), 7_776);
        for word in words {
            assert!(
                word.len() >= 5 && word.bytes().all(|b| b.is_ascii_lowercase()),
                "{word}"
            );
        }
    }

    #[test]
    fn an_initial_password_has_five_words_two_digits_and_71_bits() {
        let made = generate(Recipe::INITIAL).unwrap();
        assert_eq!(made.bits, 71);
        let parts: Vec<&str> = made.password.expose().split('-').collect();
        assert_eq!(parts.len(), 6);
        assert!(parts[5].len() == 2 && parts[5].bytes().all(|b| b.is_ascii_digit()));
    }

    #[test]
    fn characters_are_unambiguous_and_carry_80_bits_or_more() {
        for symbols in [false, true] {
            let made = generate(Recipe::Characters { count: 16, symbols }).unwrap();
            assert!(made.bits >= 80, "{}", made.bits);
            assert_eq!(made.password.expose().len(), 16);
            assert!(!made.password.expose().contains(['0', 'O', '1', 'l', 'I']));
        }
        // Out of range is drawn into it.
        let made = generate(Recipe::Characters {
            count: 3,
            symbols: false,
        })
        .unwrap();
        assert_eq!(made.password.expose().len(), 16);
    }

    #[test]
    fn two_passwords_are_never_the_same() {
        let made: HashSet<String> = (0..100)
            .map(|_| {
                generate(Recipe::INITIAL)
                    .unwrap()
                    .password
                    .expose()
                    .to_owned()
            })
            .collect();
        assert_eq!(made.len(), 100);
    }
}
