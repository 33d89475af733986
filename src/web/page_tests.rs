//! Tests of `page.rs`.

use askama::Template;

use super::*;

#[derive(Template)]
#[template(
    source = "{% extends \"layout/app.html\" %}{% block body %}<main id=\"main\">x</main>{% endblock %}",
    ext = "html",
    blocks = ["body"]
)]
struct Page {
    layout: Layout,
}

#[derive(Template)]
#[template(
    source = "{% extends \"layout/bare.html\" %}{% block content %}y{% endblock %}",
    ext = "html"
)]
struct BarePage {
    layout: Bare,
}

#[derive(Template)]
#[template(
    source = "{% extends \"layout/print.html\" %}{% block content %}z{% endblock %}",
    ext = "html"
)]
struct PrintPage {
    layout: Bare,
}

#[derive(Template)]
#[template(
    source = "{% extends \"layout/frame.html\" %}{% block content %}f{% endblock %}",
    ext = "html"
)]
struct FramePage {
    lang: Lang,
    title: String,
}

fn layout(lang: Lang) -> Layout {
    let who = Who::new("Jana <Brandt>", "jana@brandt-dach.example");
    let mut layout = Layout::new(
        lang,
        who,
        "tok\"en</template>".to_owned(),
        Area::Mail,
        "Posteingang".to_owned(),
    );
    layout.modules[0].badge = 112;
    layout.quota = Quota {
        used_bytes: 95,
        limit_bytes: 100,
    };
    layout.banners.extend(layout.quota.banner(lang));
    layout.toast = Some(Toast {
        text: "Archiviert".to_owned(),
        danger: false,
        undo: Some("u1".to_owned()),
    });
    layout
}

fn bare() -> Bare {
    Bare {
        lang: Lang::En,
        look: Look::default(),
        title: "Sign in".to_owned(),
        csrf: "t".to_owned(),
        host: "mail.example".to_owned(),
        path: "/login".to_owned(),
        imprint: None,
        privacy: Some("https://host.example/privacy".to_owned()),
    }
}

#[test]
fn the_frame_shows_who_where_and_what() {
    for lang in Lang::ALL {
        let page = Page {
            layout: layout(lang),
        };
        let html = page.render().unwrap();
        assert!(html.contains(&format!("<html lang=\"{lang}\" data-theme=\"system\"")));
        assert!(html.contains("<title>(112) Posteingang – Postamt</title>"));
        assert!(html.contains(">99+</span>"));
        assert!(html.contains("action=\"/undo/u1\""));
        assert!(html.contains("aria-valuenow=\"95\""));
        assert!(!html.contains("<Brandt>") && !html.contains("en</template>"));
        assert!(!html.contains("/calendar"), "only what exists is linked");
        assert_eq!(html.matches("<main").count(), 1);
        assert_eq!(
            page.as_body().render().unwrap(),
            "<main id=\"main\">x</main>"
        );
    }
}

#[test]
fn the_other_layouts_render() {
    let html = BarePage { layout: bare() }.render().unwrap();
    assert!(html.contains("<title>Sign in – Postamt</title>"));
    assert!(html.contains("href=\"/login?lang=de\""));
    assert!(html.contains("https://host.example/privacy") && !html.contains("Legal notice"));
    assert!(
        PrintPage { layout: bare() }
            .render()
            .unwrap()
            .contains(">z<")
    );
    let frame = FramePage {
        lang: Lang::De,
        title: "T".to_owned(),
    };
    assert!(frame.render().unwrap().contains("<title>T</title>"));
}

#[test]
fn scripts_are_told_at_most_three_kilobytes() {
    for lang in Lang::ALL {
        let data = layout(lang).data();
        assert!(data.len() <= 3 * 1024, "{lang}: {} bytes", data.len());
        let back: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_eq!(back["csrf"], "tok\"en</template>");
        assert_eq!(back["client"]["undoSend"], 10);
        assert_eq!(back["t"]["undo"], lang.t("undo"));
    }
}

#[test]
fn pictures_of_people() {
    for (name, shown) in [
        ("Jana Brandt", "JB"),
        ("Dr. Anna-Lena von der Ähre", "DÄ"),
        ("info@example.org", "I"),
        ("jana.brandt@example.org", "JB"),
        ("ß", "SS"),
        ("", "?"),
        ("  ", "?"),
        ("東京 太郎", "東太"),
    ] {
        assert_eq!(initials(name), shown, "{name}");
    }
    assert_eq!(hue("Jana@Example.org"), hue("jana@example.org"));
    let used: std::collections::BTreeSet<u8> = (0..200)
        .map(|n| hue(&format!("u{n}@example.org")))
        .collect();
    assert_eq!(
        used.into_iter().collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6, 7, 8]
    );
}

#[test]
fn the_quota_speaks_up_at_ninety_percent() {
    let at = |used_bytes| Quota {
        used_bytes,
        limit_bytes: 1000,
    };
    assert!(at(899).banner(Lang::De).is_none());
    assert_eq!(at(900).banner(Lang::De).unwrap().tone, Tone::Warn);
    assert_eq!(at(999).level(), "w");
    assert_eq!(at(1000).banner(Lang::En).unwrap().tone, Tone::Danger);
    assert_eq!(at(5000).percent(), 100);
    assert_eq!(Quota::default().level(), "");
}

#[test]
fn a_toast_travels_in_a_header() {
    let toast = Toast {
        text: "„Gelöscht“ 🗑\r\n".to_owned(),
        danger: false,
        undo: None,
    };
    let value = toast.trigger();
    assert!(value.is_ascii() && !value.contains(['\r', '\n']));
    let back: serde_json::Value = serde_json::from_str(&value).unwrap();
    assert_eq!(back["toast"]["text"], "„Gelöscht“ 🗑\r\n");
}
