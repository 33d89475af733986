//! What a password may be, how strong it is, and the bounded work of hashing and trying one (`security.md` 3).
//!
//! Argon2id takes some 40 ms and 46 MiB, so all of it runs off the async threads, at most `password.at_once` at a time
//! (one a core), with a bounded queue behind that answers "try later" when it is full or slow. [`Password`] exists only
//! normalised (RFC 8265 4.2, `OpaqueString`) and within its length, so nothing else is ever hashed.
//!
//! The rules for a new password stand in [`judge`] alone; every path that sets one asks it. The commonest passwords need
//! no list of ours: zxcvbn ranks them, and a rank below 10,000 cannot reach the score that is asked for (a test holds it).
//! Ours is a list of German words and names, which zxcvbn does not know.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, OnceLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use precis_core::profile::PrecisFastInvocation;
use precis_profiles::OpaqueString;
use tokio::sync::Semaphore;

use super::generator;
use crate::config::{self, Secret};
use crate::error::Refusal;

/// A password as it is compared and hashed: normalised, 1..=256 octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password(Secret);

impl Password {
    /// Normalises what was typed.
    ///
    /// # Errors
    /// [`BadPassword::TooLong`], [`BadPassword::Characters`].
    pub fn read(typed: &str, settings: &config::Password) -> Result<Self, BadPassword> {
        // Normalising changes the length little; this bounds its work.
        if typed.len() > settings.octets * 4 {
            return Err(BadPassword::TooLong(settings.octets));
        }
        let normal = OpaqueString::enforce(typed).map_err(|_| BadPassword::Characters)?;
        if normal.len() > settings.octets {
            return Err(BadPassword::TooLong(settings.octets));
        }
        Ok(Self(Secret::new(normal.into_owned())))
    }

    /// The normalised octets.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

/// Which rule a new password breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// Fewer characters than so many.
    #[error("too short")]
    TooShort(usize),
    /// More octets than so many.
    #[error("too long")]
    TooLong(usize),
    /// Control characters, or nothing at all.
    #[error("characters that a password may not have")]
    Characters,
    /// Easy to guess.
    #[error("too easy to guess")]
    TooWeak,
    /// The one that is to be replaced.
    #[error("the same as before")]
    Unchanged,
}

impl BadPassword {
    /// The rule's word, for [`Refusal::Invalid`].
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::TooShort(_) => "password-short",
            Self::TooLong(_) => "password-long",
            Self::Characters => "password-characters",
            Self::TooWeak => "password-weak",
            Self::Unchanged => "password-unchanged",
        }
    }
}

impl From<BadPassword> for Refusal {
    fn from(bad: BadPassword) -> Self {
        Self::Invalid(bad.word())
    }
}

/// How good a new password is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strength {
    /// 0 (guessed at once) to 4, by zxcvbn's scale.
    pub score: u8,
    /// The rule it breaks; none means that it will be taken.
    pub problem: Option<BadPassword>,
}

/// Judges a new password. `about` are words of its owner: address, domain, display name.
///
/// Takes milliseconds: from async code only by [`Passwords::judge`].
#[must_use]
pub fn judge(typed: &str, about: &[&str], settings: &config::Password) -> Strength {
    let broken = |problem| Strength {
        score: 0,
        problem: Some(problem),
    };
    let password = match Password::read(typed, settings) {
        Ok(password) => password,
        // Nothing typed yet is short rather than strange.
        Err(_) if typed.is_empty() => return broken(BadPassword::TooShort(settings.characters)),
        Err(problem) => return broken(problem),
    };
    let text = password.0.expose();
    // Whole, at the `@`, and word for word: the local part of an address is a favourite.
    let owner: Vec<String> = about
        .iter()
        .flat_map(|words| {
            let pieces = words.split(|c: char| !c.is_alphanumeric());
            pieces.chain(words.split('@')).chain([*words])
        })
        .filter(|word| word.chars().count() >= 3)
        .map(str::to_lowercase)
        .collect();
    let known: Vec<&str> = owner
        .iter()
        .map(String::as_str)
        .chain(GERMAN.iter().copied())
        .collect();
    let score = u8::from(zxcvbn::zxcvbn(text, &known).score());
    let problem = if text.chars().count() < settings.characters {
        Some(BadPassword::TooShort(settings.characters))
    } else if score < settings.score {
        Some(BadPassword::TooWeak)
    } else {
        None
    };
    Strength { score, problem }
}

/// The queue of verifications is full or too slow: try again later. Never counts as a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl From<Busy> for Refusal {
    fn from(Busy: Busy) -> Self {
        Self::TooMany {
            retry_after_secs: 5,
        }
    }
}

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The password is the hash's.
    Right {
        /// The hash was made with other parameters than today's.
        is_outdated: bool,
    },
    /// It was the one before.
    Previous,
    /// Neither.
    Wrong,
}

/// Hashing and trying passwords, bounded.
#[derive(Debug)]
pub struct Passwords {
    settings: config::Password,
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    dummy: OnceLock<String>,
}

impl Passwords {
    /// With one slot a core unless the settings say otherwise.
    #[must_use]
    pub fn new(settings: config::Password) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let at_once = if settings.at_once == 0 {
            cores
        } else {
            settings.at_once
        };
        Self {
            settings,
            slots: Arc::new(Semaphore::new(at_once)),
            waiting: AtomicUsize::new(0),
            dummy: OnceLock::new(),
        }
    }

    /// The settings the rules come from.
    #[must_use]
    pub fn settings(&self) -> &config::Password {
        &self.settings
    }

    /// Judges a new password off the async threads.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn judge(&self, typed: &str, about: &[&str]) -> Result<Strength, Busy> {
        let typed = Secret::new(typed.to_owned());
        let about: Vec<String> = about.iter().map(|s| (*s).to_owned()).collect();
        let settings = self.settings.clone();
        self.run(move || {
            let about: Vec<&str> = about.iter().map(String::as_str).collect();
            judge(typed.expose(), &about, &settings)
        })
        .await
    }

    /// A PHC string of the password under today's parameters.
    ///
    /// # Errors
    /// [`Refusal::TooMany`] when the queue is full.
    pub async fn hash(&self, password: &Password) -> Result<String, Refusal> {
        let argon2 = self.argon2()?;
        let password = password.clone();
        self.run(move || {
            argon2
                .hash_password(password.bytes())
                .map(|hash| hash.to_string())
                .map_err(|_| Refusal::Internal("argon2 does not hash"))
        })
        .await?
    }

    /// Tries a password; without a hash (nobody of that name) against one that fits nothing, which takes as long.
    ///
    /// `looks_back`: a wrong one is tried against `previous` too, or again against the one that fits nothing, so that
    /// the time tells nothing of a change.
    ///
    /// # Errors
    /// [`Refusal::TooMany`] when the queue is full.
    pub async fn verdict(
        &self,
        hash: Option<&str>,
        previous: Option<&str>,
        looks_back: bool,
        password: &Password,
    ) -> Result<Verdict, Refusal> {
        let argon2 = self.argon2()?;
        let dummy = self.dummy().await?;
        let owned = |hash: Option<&str>| hash.filter(|h| is_hash(h)).map(str::to_owned);
        let (hash, previous) = (owned(hash), owned(previous));
        let password = password.clone();
        Ok(self
            .run(move || {
                let fits = |hash: Option<&str>| {
                    let fitted = verify(&argon2, hash.unwrap_or(&dummy), &password);
                    fitted && hash.is_some()
                };
                if fits(hash.as_deref()) {
                    return Verdict::Right {
                        is_outdated: hash.is_none_or(|hash| is_outdated(&argon2, &hash)),
                    };
                }
                if looks_back && fits(previous.as_deref()) {
                    return Verdict::Previous;
                }
                Verdict::Wrong
            })
            .await?)
    }

    async fn dummy(&self) -> Result<String, Refusal> {
        if let Some(dummy) = self.dummy.get() {
            return Ok(dummy.clone());
        }
        let made = self.hash(&Password(generator::app_password()?)).await?;
        Ok(self.dummy.get_or_init(|| made).clone())
    }

    fn argon2(&self) -> Result<Argon2<'static>, Refusal> {
        let params = Params::new(
            self.settings.memory_kib,
            self.settings.passes,
            self.settings.lanes,
            None,
        )
        .map_err(|_| Refusal::Internal("argon2 parameters"))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }

    /// Runs `work` in a slot; waits for one at most `password.wait`, behind at most `password.queue` others.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let slot = if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            slot
        } else {
            let before = self.waiting.fetch_add(1, Ordering::Relaxed);
            let _waiting = Waiting(&self.waiting);
            if before >= self.settings.queue {
                return Err(Busy);
            }
            match tokio::time::timeout(self.settings.wait, self.slots.clone().acquire_owned()).await
            {
                Ok(Ok(slot)) => slot,
                Ok(Err(_)) | Err(_) => return Err(Busy),
            }
        };
        // The slot goes with the work: a caller that hangs up does not make room for another one.
        tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work()
        })
        .await
        .map_err(|_| Busy)
    }
}

fn is_hash(hash: &str) -> bool {
    PasswordHash::new(hash).is_ok()
}

fn verify(argon2: &Argon2<'_>, hash: &str, password: &Password) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| argon2.verify_password(password.bytes(), &hash).is_ok())
}

fn is_outdated(argon2: &Argon2<'_>, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else {
        return true;
    };
    let same = |found: Params| {
        let today = argon2.params();
        found.m_cost() == today.m_cost()
            && found.t_cost() == today.t_cost()
            && found.p_cost() == today.p_cost()
    };
    hash.algorithm.as_str() != "argon2id" || !Params::try_from(&hash).is_ok_and(same)
}

/// Our own list: what people in German-speaking countries build passwords from, the likeliest first.
static GERMAN: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    include_str!("german_words.txt")
        .split_whitespace()
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> config::Password {
        config::Password::default()
    }

    #[test]
    fn a_password_is_compared_in_its_normal_form() {
        let composed = Password::read("Gr\u{fc}\u{df}e\u{a0}aus K\u{f6}ln", &settings());
        let decomposed = Password::read("Gru\u{308}\u{df}e aus Ko\u{308}ln", &settings());
        assert_eq!(composed, decomposed);
        assert!(composed.is_ok());
        assert_eq!(
            Password::read("a\tb", &settings()),
            Err(BadPassword::Characters)
        );
        assert_eq!(
            Password::read("", &settings()),
            Err(BadPassword::Characters)
        );
    }

    #[test]
    fn a_password_has_at_most_256_octets() {
        assert!(Password::read(&"x".repeat(256), &settings()).is_ok());
        for length in [257, 10_000] {
            assert_eq!(
                Password::read(&"x".repeat(length), &settings()),
                Err(BadPassword::TooLong(256))
            );
        }
    }

    #[test]
    fn a_new_password_needs_ten_characters_and_strength() {
        let problem = |text: &str| judge(text, &[], &settings()).problem;
        assert_eq!(problem(""), Some(BadPassword::TooShort(10)));
        assert_eq!(problem("vK9x_wQz7"), Some(BadPassword::TooShort(10)));
        assert_eq!(problem("vK9x_wQz7!"), None);
        assert_eq!(problem("moosturm-seevogel-windrose-47"), None);
        // Ten characters, not ten octets.
        assert_eq!(problem("äöüÄÖÜßäö"), Some(BadPassword::TooShort(10)));
    }

    #[test]
    fn common_passwords_and_german_ones_are_refused() {
        for common in [
            "password123",
            "qwertyuiop",
            "1234567890",
            "12345678910",
            "iloveyou123",
            "liverpool1",
            "basketball",
            "1q2w3e4r5t",
            "Passwort2026!",
            "Sommer2026!",
            "Hallo12345!",
            "Schalke04!!",
            "Bayern2024!",
            "Geheim1234",
            "Dortmund09!",
            "qwertzuiopü",
            "Schatz1234!",
            "Weihnachten",
            "Weihnachten1",
            "hallohallo",
            "passwortpasswort",
        ] {
            let found = judge(common, &[], &settings());
            assert_eq!(
                found.problem,
                Some(BadPassword::TooWeak),
                "{common}: {}",
                found.score
            );
        }
    }

    #[test]
    fn words_about_the_owner_count_for_nothing() {
        let about = [
            "dietlinde.oberhuber@oberhuber-metallbau.test",
            "Dietlinde Oberhuber",
        ];
        for guess in ["Oberhuber2026", "dietlinde.oberhuber", "oberhubermetallbau"] {
            let found = judge(guess, &about, &settings());
            assert_eq!(
                found.problem,
                Some(BadPassword::TooWeak),
                "{guess}: {}",
                found.score
            );
        }
    }

    fn quick() -> config::Password {
        config::Password {
            memory_kib: 19_456,
            ..settings()
        }
    }

    #[tokio::test]
    async fn only_the_right_password_fits_and_old_parameters_are_noticed() {
        let old = Passwords::new(quick());
        let password = Password::read("vK9x_wQz7!", &quick()).unwrap();
        let hash = old.hash(&password).await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=1,p=1$"),
            "{hash}"
        );
        let tried = old.verdict(Some(&hash), None, true, &password).await;
        assert_eq!(tried.unwrap(), Verdict::Right { is_outdated: false });
        let newer = Passwords::new(settings());
        let tried = newer.verdict(Some(&hash), None, true, &password).await;
        assert_eq!(tried.unwrap(), Verdict::Right { is_outdated: true });
        let wrong = Password::read("vK9x_wQz7?", &quick()).unwrap();
        let other = old.hash(&wrong).await.unwrap();
        let tried = old
            .verdict(Some(&other), Some(&hash), true, &password)
            .await;
        assert_eq!(tried.unwrap(), Verdict::Previous);
        let tried = old
            .verdict(Some(&other), Some(&hash), false, &password)
            .await;
        assert_eq!(tried.unwrap(), Verdict::Wrong);
        let hash_end = hash[hash.len() - 20..].to_owned();
        for hash in [
            Some(hash.as_str()),
            None,
            Some(""),
            Some("$argon2id$rubbish"),
        ] {
            let tried = old.verdict(hash, None, true, &wrong).await;
            assert_eq!(tried.unwrap(), Verdict::Wrong);
            let tried = old.verdict(hash, None, true, &password).await;
            let is_hash = hash.is_some_and(|h| h.ends_with(&hash_end));
            assert_eq!(tried.unwrap() == Verdict::Wrong, !is_hash);
        }
    }

    #[tokio::test]
    async fn a_full_queue_says_try_later() {
        let passwords = Passwords::new(config::Password {
            at_once: 1,
            queue: 1,
            ..quick()
        });
        let held = passwords.slots.clone().acquire_owned().await.unwrap();
        let first = passwords.run(|| ());
        let mut first = std::pin::pin!(first);
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        assert_eq!(passwords.run(|| ()).await, Err(Busy));
        drop(held);
        assert_eq!(first.await, Ok(()));
    }
}
