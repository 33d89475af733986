//! One search over everything that is no mail: events, contacts, tasks, notes, own ones and what others share.

use super::sharing::seen_row;
use super::{At, ItemRow, Items};
use crate::error::Refusal;
use crate::format::mime::fold_words;
use crate::model::{AccountId, CollectionId, Rights};

/// Words of one search; those beyond are left out.
const MAX_WORDS: usize = 20;
/// Hits of one answer.
const MAX_HITS: i64 = 200;

/// An item that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Where it lies.
    pub at: At,
    /// What its row says.
    pub row: ItemRow,
}

impl Items {
    /// Items in which every word begins some word, newest first within each owner, own ones first; at most `limit`.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn search(
        &self,
        reader: AccountId,
        text: &str,
        limit: i64,
    ) -> Result<Vec<Hit>, Refusal> {
        let Some(query) = lexemes(text) else {
            return Ok(Vec::new());
        };
        let limit = limit.clamp(1, MAX_HITS);
        let mut owners: Vec<(AccountId, Vec<CollectionId>)> = Vec::new();
        for shelf in self.shelves(reader).await? {
            if !shelf.rights.has(Rights::READ) || shelf.is_hidden {
                continue;
            }
            match owners
                .iter_mut()
                .find(|(owner, _)| *owner == shelf.at.owner)
            {
                Some((_, all)) => all.push(shelf.at.collection),
                None => owners.push((shelf.at.owner, vec![shelf.at.collection])),
            }
        }
        let mut hits: Vec<Hit> = Vec::new();
        for (owner, collections) in owners {
            let left = limit - i64::try_from(hits.len()).unwrap_or(limit);
            if left <= 0 {
                break;
            }
            // What is not public is found by its owner alone: its words would tell what is in it.
            let public_only = owner != reader;
            let found = self
                .store
                .search_items(owner, &collections, &query, public_only, left)
                .await?;
            hits.extend(found.into_iter().filter_map(|row| {
                let at = At {
                    reader,
                    owner,
                    collection: row.collection_id,
                };
                seen_row(at, row).map(|row| Hit { at, row })
            }));
        }
        Ok(hits)
    }
}

/// `('muller':* | 'mueller':*) & ...`; no word can be an operator, for a word has letters and digits only.
fn lexemes(text: &str) -> Option<String> {
    let words: Vec<String> = fold_words(text)
        .iter()
        .take(MAX_WORDS)
        .map(|word| {
            let forms: Vec<String> = word
                .forms()
                .map(|form| format!("'{}':*", form.replace('\\', "\\\\").replace('\'', "''")))
                .collect();
            format!("({})", forms.join(" | "))
        })
        .collect();
    (!words.is_empty()).then(|| words.join(" & "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_lexemes_and_nothing_else() {
        assert_eq!(
            lexemes("Müller & x'); drop").as_deref(),
            Some("('muller':* | 'mueller':*) & ('drop':*)")
        );
        assert_eq!(lexemes(" !& "), None);
    }
}
