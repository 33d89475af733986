//! One claim on its way: grouped by where it goes, host after host, until every recipient has an answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::time::timeout;

use super::destination;
use super::resolve::{Hop, NoWay, hops};
use super::transport::{
    Answer, Connection, Mail, MailContent, MailRecipient, Peer, Trouble, Verdict,
};
use super::worker::Worker;
use crate::error::StoreError;
use crate::model::QueueId;
use crate::store::queue::{Claim, ClaimedRecipient, Queue};

/// An answer and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// What was said.
    pub answer: Answer,
    /// The host; empty: we.
    pub host: String,
    /// How the connection was protected; none: there was none.
    pub tls: Option<String>,
}

/// A connection that is kept for the next message to the same destination.
pub(super) struct Line {
    destination: String,
    host: String,
    connection: Box<dyn Connection>,
    sent: u32,
}

impl Line {
    /// Ends it.
    pub async fn quit(self) {
        self.connection.quit().await;
    }
}

/// A message's bytes in the queue.
struct Queued {
    queue: Queue,
    message: QueueId,
}

impl MailContent for Queued {
    fn open(&self) -> BoxStream<'static, Result<Bytes, StoreError>> {
        self.queue.content(self.message).boxed()
    }
}

impl Worker {
    /// Tries to deliver; what was said about each recipient, in the claim's order.
    pub(super) async fn deliver(&self, claim: &Claim, line: &mut Option<Line>) -> Vec<Told> {
        let mut told: Vec<Option<Told>> = claim.recipients.iter().map(|_| None).collect();
        for (group, members) in self.groups(claim).await {
            let recipients: Vec<&ClaimedRecipient> = members
                .iter()
                .filter_map(|n| claim.recipients.get(*n))
                .collect();
            let answers = match group {
                Group::Here => self
                    .deliver_here(claim, &recipients)
                    .await
                    .into_iter()
                    .map(Told::by_us)
                    .collect(),
                Group::Away(to, domain) => {
                    self.deliver_away(claim, &to, &domain, &recipients, line)
                        .await
                }
                Group::Unknown => {
                    let later =
                        Answer::local(Verdict::Later, "4.3.0", "Temporary trouble of this host");
                    vec![Told::by_us(later); recipients.len()]
                }
            };
            for (n, answer) in members.into_iter().zip(answers) {
                if let Some(place) = told.get_mut(n) {
                    *place = Some(answer);
                }
            }
        }
        told.into_iter()
            .map(|t| t.unwrap_or_else(|| Told::by_us(no_answer())))
            .collect()
    }

    /// Recipients by where they go. Mostly one group; a smarthost's claim may hold many domains, some of them ours.
    async fn groups(&self, claim: &Claim) -> BTreeMap<Group, Vec<usize>> {
        let mut known: BTreeMap<&str, Group> = BTreeMap::new();
        let mut groups: BTreeMap<Group, Vec<usize>> = BTreeMap::new();
        for (n, recipient) in claim.recipients.iter().enumerate() {
            let domain = domain_of(&recipient.address);
            let group = if let Some(group) = known.get(domain) {
                group.clone()
            } else {
                let group = self.group(domain).await;
                known.insert(domain, group.clone());
                group
            };
            groups.entry(group).or_default().push(n);
        }
        groups
    }

    async fn group(&self, domain: &str) -> Group {
        match self.app.accounts.is_local_domain(domain).await {
            Ok(true) => Group::Here,
            Ok(false) => {
                let domain = domain.to_ascii_lowercase();
                Group::Away(destination(&domain, &self.app.config.queue), domain).shared()
            }
            Err(refusal) => {
                tracing::error!(error = %refusal, "whether a domain is ours could not be read");
                Group::Unknown
            }
        }
    }

    /// By SMTP, over the connection that is open already, or host after host.
    async fn deliver_away(
        &self,
        claim: &Claim,
        to: &str,
        domain: &str,
        recipients: &[&ClaimedRecipient],
        line: &mut Option<Line>,
    ) -> Vec<Told> {
        let content = Queued {
            queue: self.queue.clone(),
            message: claim.queue_id,
        };
        let mut round = Round {
            claim,
            recipients,
            content,
            told: vec![None; recipients.len()],
        };
        if let Some(open) = line.take() {
            if open.destination == to {
                self.offer(&mut round, open, line).await;
            } else {
                open.quit().await;
            }
        }
        if !round.is_settled() {
            match hops(domain, &self.app.config, self.names.as_ref()).await {
                Ok(hosts) => self.try_hosts(&mut round, to, &hosts, line).await,
                Err(no) => round.settle(&Told::by_us(no.into())),
            }
        }
        round.answers()
    }

    async fn try_hosts(
        &self,
        round: &mut Round<'_>,
        to: &str,
        hosts: &[Hop],
        line: &mut Option<Line>,
    ) {
        let mut troubles: Vec<Told> = Vec::new();
        let mut sessions = 0;
        let mut addresses = 0;
        for hop in hosts {
            let found = hop
                .addresses(&self.app.config.queue, self.names.as_ref())
                .await;
            let found = match found {
                Ok(found) => found,
                Err(no) => {
                    troubles.push(Told::by_us(no.into()));
                    continue;
                }
            };
            for address in found {
                if round.is_settled() || sessions >= SESSIONS || addresses >= ADDRESSES {
                    break;
                }
                addresses += 1;
                match self.transport.connect(&peer(hop, address)).await {
                    Ok(connection) => {
                        sessions += 1;
                        let open = Line {
                            destination: to.to_owned(),
                            host: hop.host.clone(),
                            connection,
                            sent: 0,
                        };
                        if let Some(old) = line.take() {
                            old.quit().await;
                        }
                        self.offer(round, open, line).await;
                    }
                    Err(trouble) => troubles.push(Told::by_host(&hop.host, trouble)),
                }
            }
        }
        round.settle(&verdict_of(troubles));
    }

    /// Offers everybody who has no final answer over one connection, which is kept in `line` when it is good for more.
    async fn offer(&self, round: &mut Round<'_>, mut open: Line, line: &mut Option<Line>) {
        let settings = &self.app.config.queue;
        let tls = open.connection.tls().to_owned();
        loop {
            let places = round.open_places();
            let recipients: Vec<MailRecipient<'_>> = places
                .iter()
                .filter_map(|n| round.recipients.get(*n))
                .map(|r| MailRecipient {
                    address: &r.address,
                    notify: &r.notify,
                    orcpt: r.orcpt.as_deref(),
                })
                .collect();
            let mail = Mail {
                sender: &round.claim.sender,
                ret_full: round.claim.ret_full,
                env_id: round.claim.env_id.as_deref(),
                needs_utf8: round.claim.needs_utf8,
                size_bytes: round.claim.size_bytes,
                recipients: &recipients,
                content: &round.content,
            };
            let sending = open.connection.send(&mail);
            let Ok(answers) = timeout(settings.delivery_timeout, sending).await else {
                // Cut off in the middle of the dialogue: the connection is of no use, and who knows what the host has.
                let late = Answer::local(Verdict::Later, "4.4.2", "The delivery took too long");
                round.settle_open(&Told::at(&open.host, late, &tls));
                return;
            };
            open.sent += 1;
            let progress = answers.iter().any(|a| a.verdict == Verdict::Sent);
            let too_many = answers
                .iter()
                .any(|a| a.verdict == Verdict::Elsewhere && is_too_many(a));
            for (n, answer) in places.into_iter().zip(answers) {
                if let Some(place) = round.told.get_mut(n) {
                    *place = Some(Told::at(&open.host, answer, &tls));
                }
            }
            let usable =
                open.connection.is_usable() && open.sent < settings.messages_per_connection;
            // "Too many recipients" beside some that were taken: the rest in another transaction, as long as it gets fewer.
            if !(usable && progress && too_many) {
                if usable {
                    *line = Some(open);
                } else {
                    open.quit().await;
                }
                return;
            }
        }
    }
}

/// Recipients of one destination while hosts are tried.
struct Round<'a> {
    claim: &'a Claim,
    recipients: &'a [&'a ClaimedRecipient],
    content: Queued,
    told: Vec<Option<Told>>,
}

impl Round<'_> {
    fn open_places(&self) -> Vec<usize> {
        self.told
            .iter()
            .enumerate()
            .filter(|(_, told)| is_open(told.as_ref()))
            .map(|(n, _)| n)
            .collect()
    }

    fn is_settled(&self) -> bool {
        !self.told.iter().any(|told| is_open(told.as_ref()))
    }

    /// The last word for who has heard none.
    fn settle(&mut self, last: &Told) {
        for place in &mut self.told {
            place.get_or_insert_with(|| last.clone());
        }
    }

    /// The last word for who has heard no final one.
    fn settle_open(&mut self, last: &Told) {
        for place in &mut self.told {
            if is_open(place.as_ref()) {
                *place = Some(last.clone());
            }
        }
    }

    fn answers(self) -> Vec<Told> {
        self.told
            .into_iter()
            .map(|told| told.unwrap_or_else(|| Told::by_us(no_answer())))
            .collect()
    }
}

fn is_open(told: Option<&Told>) -> bool {
    told.is_none_or(|t| t.answer.verdict == Verdict::Elsewhere)
}

/// RFC 5321 4.5.3.1.10, RFC 3463 X.5.3.
fn is_too_many(answer: &Answer) -> bool {
    answer.status.ends_with(".5.3") || answer.text.starts_with("452")
}

/// Where a recipient goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Here,
    /// Destination, and a domain of it to ask the DNS for.
    Away(String, String),
    /// The database did not say.
    Unknown,
}

impl Group {
    /// Domains that share a smarthost are one group.
    fn shared(self) -> Self {
        match self {
            Self::Away(to, _) if to == "*" => Self::Away(to, "*".to_owned()),
            other => other,
        }
    }
}

/// When no host was reached: for good only if each of them said so.
fn verdict_of(troubles: Vec<Told>) -> Told {
    let final_word = troubles.iter().all(|t| t.answer.verdict == Verdict::Failed);
    let mut last = troubles
        .into_iter()
        .rev()
        .find(|t| final_word || t.answer.verdict != Verdict::Failed)
        .unwrap_or_else(|| Told::by_us(no_answer()));
    if !final_word {
        last.answer.verdict = Verdict::Later;
    }
    last
}

fn peer(hop: &Hop, address: SocketAddr) -> Peer {
    Peer {
        host: hop.host.clone(),
        address,
        protection: hop.protection,
        verifies: hop.verifies,
        login: hop.login.clone(),
    }
}

fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

fn no_answer() -> Answer {
    Answer::local(Verdict::Later, "4.4.1", "No host could be reached")
}

impl From<NoWay> for Answer {
    fn from(no: NoWay) -> Self {
        let verdict = if no.is_permanent {
            Verdict::Failed
        } else {
            Verdict::Later
        };
        Self::local(verdict, no.status, no.text)
    }
}

impl Told {
    fn by_us(answer: Answer) -> Self {
        Self {
            answer,
            host: String::new(),
            tls: None,
        }
    }

    fn by_host(host: &str, trouble: Trouble) -> Self {
        Self {
            host: if trouble.is_remote {
                host.to_owned()
            } else {
                String::new()
            },
            answer: trouble.into(),
            tls: None,
        }
    }

    fn at(host: &str, answer: Answer, tls: &str) -> Self {
        Self {
            host: host.to_owned(),
            answer,
            tls: Some(tls.to_owned()),
        }
    }
}

/// Hosts that a message is offered to in one try; the rest are asked next time.
const SESSIONS: usize = 2;
/// Addresses that a connection is tried to in one try (RFC 5321 5.1: a limit is allowed, at least two).
const ADDRESSES: usize = 8;
