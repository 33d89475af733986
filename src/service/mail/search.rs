//! Search over all folders: from the query language to what the store runs.

use chrono_tz::Tz;
use time::{Date, OffsetDateTime, UtcOffset};

use super::Mail;
use crate::error::Refusal;
use crate::format::mime::{FoldedWord, fold};
use crate::format::query::{Field, Query, Term, What};
use crate::i18n::Lang;
use crate::model::{AccountId, EmailId, Flags, FolderId, SpecialUse};
use crate::store::folder::FolderRow;
use crate::store::search::{Condition, FoundRow, SearchSpec, Test};

/// A search as a page asks for it.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    /// What was typed.
    pub text: &'a str,
    /// Only in this folder.
    pub folder: Option<FolderId>,
    /// Trash and junk too.
    pub everywhere: bool,
    /// Where the page before ended.
    pub before: Option<EmailId>,
    /// The reader's clock, for days.
    pub zone: Tz,
    /// In both languages folders are known by their shown names.
    pub now: OffsetDateTime,
}

impl Mail {
    /// The newest messages that fit, at most `limit`.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn search(
        &self,
        account: AccountId,
        search: &Search<'_>,
        limit: i64,
    ) -> Result<Vec<FoundRow>, Refusal> {
        let query = Query::parse(search.text, local_day(search.now, search.zone));
        if query.is_empty() {
            return Ok(Vec::new());
        }
        let folders = self.store.folders(account).await?;
        let hidden: Vec<FolderId> = folders
            .iter()
            .filter(|f| matches!(f.special_use(), Some(SpecialUse::Trash | SpecialUse::Junk)))
            .map(|f| f.folder_id)
            .collect();
        let spec = SearchSpec {
            groups: query
                .groups
                .iter()
                .map(|group| {
                    group
                        .iter()
                        .map(|term| condition(term, &folders, search.zone))
                        .collect()
                })
                .collect(),
            only: search.folder.map(|f| vec![f]),
            but: if search.everywhere || query.names_folder() {
                Vec::new()
            } else {
                hidden
            },
            before: search.before,
        };
        Ok(self.store.search(account, &spec, limit).await?)
    }
}

fn condition(term: &Term, folders: &[FolderRow], zone: Tz) -> Condition {
    let test = match &term.what {
        What::Words {
            field,
            words,
            phrase,
        } => {
            let lexemes = lexemes(*field, words, phrase.is_some());
            match phrase {
                Some(text) if words.len() > 1 => Test::Phrase {
                    lexemes,
                    text: text.clone(),
                },
                _ => Test::Lexemes(lexemes),
            }
        }
        What::Attachment => Test::Attachment,
        What::Unread => Test::NoFlags(Flags::SEEN),
        What::Read => Test::Flags(Flags::SEEN),
        What::Starred => Test::Flags(Flags::FLAGGED),
        What::Answered => Test::Flags(Flags::ANSWERED),
        What::In(name) => Test::In(named(name, folders)),
        What::Before(day) => Test::Before(midnight(*day, zone)),
        What::Since(day) => Test::Since(midnight(*day, zone)),
        What::Larger(octets) => Test::Larger(*octets),
        What::Smaller(octets) => Test::Smaller(*octets),
    };
    Condition {
        is_not: term.is_not,
        test,
    }
}

/// `('muller':* | 'mueller':*) & ...`. Quotes and backslashes of a lexeme are doubled, so no word can be an operator.
fn lexemes(field: Field, words: &[FoldedWord], is_exact: bool) -> String {
    let mut all = Vec::with_capacity(words.len());
    for word in words {
        let forms: Vec<String> = word
            .forms()
            .map(|form| {
                let text = form.replace('\\', "\\\\").replace('\'', "''");
                let rest = if is_exact || form.chars().count() < 3 {
                    ""
                } else {
                    ":*"
                };
                format!("'{}{text}'{rest}", field.prefix())
            })
            .collect();
        all.push(format!("({})", forms.join(" | ")));
    }
    all.join(" & ")
}

/// Folders of that name: shown in either language, stored, or the last level of a path.
fn named(name: &str, folders: &[FolderRow]) -> Vec<FolderId> {
    let wanted = fold(name);
    folders
        .iter()
        .filter(|f| {
            let shown = match f.special_use() {
                Some(special) => vec![
                    special.word().to_owned(),
                    Lang::De.t(word_key(special)),
                    Lang::En.t(word_key(special)),
                ],
                None => vec![
                    f.name.clone(),
                    f.name.rsplit('/').next().unwrap_or_default().to_owned(),
                ],
            };
            shown.iter().any(|s| fold(s) == wanted)
        })
        .map(|f| f.folder_id)
        .collect()
}

fn word_key(special: SpecialUse) -> &'static str {
    match special {
        SpecialUse::Inbox => "inbox",
        SpecialUse::Drafts => "drafts",
        SpecialUse::Sent => "sent",
        SpecialUse::Archive => "archive-folder",
        SpecialUse::Junk => "junk",
        SpecialUse::Trash => "trash",
        SpecialUse::Snoozed => "snoozed",
    }
}

/// The day it is for the reader.
fn local_day(now: OffsetDateTime, zone: Tz) -> Date {
    now.to_offset(offset_at(now.unix_timestamp(), zone)).date()
}

/// When a day begins for the reader.
fn midnight(day: Date, zone: Tz) -> OffsetDateTime {
    let utc = day.midnight().assume_utc();
    let offset = offset_at(utc.unix_timestamp(), zone);
    day.midnight().assume_offset(offset)
}

fn offset_at(unix: i64, zone: Tz) -> UtcOffset {
    use chrono::{DateTime, Offset, TimeZone};

    let at = DateTime::from_timestamp(unix, 0)
        .unwrap_or_default()
        .naive_utc();
    let seconds = zone.offset_from_utc_datetime(&at).fix().local_minus_utc();
    UtcOffset::from_whole_seconds(seconds).unwrap_or(UtcOffset::UTC)
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;
    use crate::format::mime::fold_words;

    #[test]
    fn words_become_lexemes_and_nothing_else() {
        assert_eq!(
            lexemes(Field::Any, &fold_words("Müller"), false),
            "('muller':* | 'mueller':*)"
        );
        assert_eq!(
            lexemes(Field::From, &fold_words("ab cde"), false),
            "('f:ab') & ('f:cde':*)"
        );
        let odd = [FoldedWord {
            plain: "a'b\\c & d".to_owned(),
            expanded: None,
        }];
        assert_eq!(lexemes(Field::Any, &odd, true), "('a''b\\\\c & d')");
    }

    #[test]
    fn days_are_the_readers() {
        let berlin = chrono_tz::Europe::Berlin;
        assert_eq!(
            midnight(date!(2026 - 07 - 01), berlin),
            datetime!(2026-06-30 22:00 UTC)
        );
        assert_eq!(
            local_day(datetime!(2026-11-22 23:30 UTC), berlin),
            date!(2026 - 11 - 23)
        );
    }
}
