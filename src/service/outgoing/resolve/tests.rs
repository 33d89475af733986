//! Tests of `resolve.rs`: MX order, the implicit and the null MX, literals, routes, addresses inside.

use std::collections::HashMap;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

#[derive(Default)]
struct Zone {
    mx: HashMap<&'static str, Vec<(u16, &'static str)>>,
    addresses: HashMap<&'static str, Vec<&'static str>>,
}

#[async_trait]
impl Names for Zone {
    async fn mx(&self, domain: &str) -> Result<Vec<(u16, String)>, NameError> {
        match domain {
            "broken.test" => Err(NameError::Temporary("SERVFAIL".to_owned())),
            _ => self
                .mx
                .get(domain)
                .map(|all| all.iter().map(|(p, h)| (*p, (*h).to_owned())).collect())
                .ok_or(NameError::NoSuchName),
        }
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NameError> {
        self.addresses
            .get(host)
            .map(|all| all.iter().map(|a| a.parse().unwrap()).collect())
            .ok_or(NameError::NoSuchName)
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config.server.hostname = "mail.us.test".to_owned();
    config
}

async fn hosts(domain: &str, zone: &Zone, config: &Config) -> Result<Vec<String>, NoWay> {
    Ok(hops(domain, config, zone)
        .await?
        .into_iter()
        .map(|hop| format!("{}:{}", hop.host, hop.port))
        .collect())
}

#[tokio::test]
async fn mx_by_preference_implicit_and_null() {
    let zone = Zone {
        mx: HashMap::from([
            ("two.test", vec![(20, "b.test"), (10, "a.test")]),
            ("none.test", vec![]),
            ("null.test", vec![(0, "")]),
            (
                "ours.test",
                vec![
                    (10, "a.test"),
                    (20, "MAIL.us.test"),
                    (20, "c.test"),
                    (30, "d.test"),
                ],
            ),
            ("loop.test", vec![(10, "mail.us.test")]),
        ]),
        ..Zone::default()
    };
    let config = config();
    assert_eq!(
        hosts("two.test", &zone, &config).await.unwrap(),
        ["a.test:25", "b.test:25"]
    );
    assert_eq!(
        hosts("none.test", &zone, &config).await.unwrap(),
        ["none.test:25"]
    );
    assert_eq!(
        hosts("ours.test", &zone, &config).await.unwrap(),
        ["a.test:25"]
    );
    assert_eq!(
        hosts("[192.0.2.1]", &zone, &config).await.unwrap(),
        ["192.0.2.1:25"]
    );
    assert_eq!(
        hosts("[IPv6:2001:db8::1]", &zone, &config).await.unwrap(),
        ["2001:db8::1:25"]
    );
    for (domain, is_permanent, status) in [
        ("null.test", true, "5.1.10"),
        ("gone.test", true, "5.1.2"),
        ("[x:y]", true, "5.1.2"),
        ("loop.test", true, "5.4.6"),
        ("broken.test", false, "4.4.3"),
    ] {
        let no = hosts(domain, &zone, &config).await.unwrap_err();
        assert_eq!(
            (no.is_permanent, no.status),
            (is_permanent, status),
            "{domain}"
        );
    }
}

#[test]
fn equals_are_shuffled() {
    let mut firsts = std::collections::HashSet::new();
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..50 {
        let found = ["a", "b", "c"].map(|h| (10, h.to_owned())).to_vec();
        let mut ordered = order(
            [found, vec![(5, "z".to_owned())]].concat(),
            &[],
            &mut random,
        );
        assert_eq!(ordered.remove(0), "z");
        firsts.insert(ordered.remove(0));
    }
    assert_eq!(firsts.len(), 3);
}

#[tokio::test]
async fn routes_win_over_the_dns() {
    let mut config = config();
    config.queue.routes = toml::from_str(
        r#"
        "two.test" = { host = "127.0.0.1:2525" }
        "*" = { host = "relay.test:465", tls = "implicit", username = "u", password = "p" }
        "#,
    )
    .unwrap();
    let zone = Zone {
        addresses: HashMap::from([("relay.test", vec!["10.0.0.1", "::1"])]),
        ..Zone::default()
    };
    let hop = hops("two.test", &config, &zone).await.unwrap().remove(0);
    assert_eq!(
        (hop.protection, hop.verifies, hop.login.is_some()),
        (Protection::Opportunistic, false, false)
    );
    let at = hop.addresses(&config.queue, &zone).await.unwrap();
    assert_eq!(at, ["127.0.0.1:2525".parse().unwrap()]);
    let hop = hops("any.test", &config, &zone).await.unwrap().remove(0);
    assert_eq!(
        (hop.protection, hop.verifies, hop.login.is_some()),
        (Protection::Implicit, true, true)
    );
    let at = hop.addresses(&config.queue, &zone).await.unwrap();
    assert_eq!(
        at,
        [
            "[::1]:465".parse().unwrap(),
            "10.0.0.1:465".parse().unwrap()
        ]
    );
}

#[tokio::test]
async fn hosts_inside_are_nobodys_mail_hosts() {
    let zone = Zone {
        addresses: HashMap::from([
            (
                "in.test",
                vec![
                    "127.0.0.1",
                    "10.1.2.3",
                    "::1",
                    "fd00::1",
                    "::ffff:192.168.0.1",
                    "64:ff9b::a00:1",
                ],
            ),
            (
                "mixed.test",
                vec![
                    "169.254.1.1",
                    "198.51.100.7",
                    "100.64.0.1",
                    "2002:7f00:1::",
                    "2001:db8::5",
                ],
            ),
            ("empty.test", vec![]),
        ]),
        ..Zone::default()
    };
    let mut config = config();
    let at = async |host: &str, config: &Config| {
        Hop::by_name(host.to_owned(), &config.queue)
            .addresses(&config.queue, &zone)
            .await
    };
    assert_eq!(at("in.test", &config).await.unwrap_err().status, "5.4.4");
    assert_eq!(at("127.0.0.1", &config).await.unwrap_err().status, "5.4.4");
    assert_eq!(at("empty.test", &config).await.unwrap_err().status, "5.4.4");
    assert_eq!(
        at("mixed.test", &config).await.unwrap(),
        [
            "[2001:db8::5]:25".parse().unwrap(),
            "198.51.100.7:25".parse().unwrap()
        ]
    );
    config.queue.allow_private_addresses = true;
    assert_eq!(at("in.test", &config).await.unwrap().len(), 6);
}
