//! Collections that others share: in the reader's own home, with the reader's rights, and nowhere else.

use postamt::service::items::{At, Grantee, Level};

use crate::client::{CALENDAR, World, event};

#[tokio::test]
async fn a_shared_calendar_stands_in_the_readers_home() {
    let world = World::new().await;
    let (anna, ben) = (world.anna(), world.ben());
    anna.put(
        &format!("{CALENDAR}a.ics"),
        &event("a", "20260301T100000Z", ""),
    )
    .await;
    anna.put(
        &format!("{CALENDAR}secret.ics"),
        &event("secret", "20260302T100000Z", "CLASS:PRIVATE\r\n"),
    )
    .await;
    let items = &world.server.app().items;
    let shelf = items.shelf(world.anna, "calendar").await.unwrap();
    let at = At::own(world.anna, shelf.row.collection_id);
    let share = async |level| {
        items
            .share(at, Grantee::Person("ben@x.test"), level)
            .await
            .unwrap();
    };
    share(Some(Level::Read)).await;
    let home = "/dav/calendars/ben@x.test/";
    let all = ben
        .propfind(
            home,
            "1",
            "<D:resourcetype/><D:owner/><D:current-user-privilege-set/><D:quota-used-bytes/>",
        )
        .await
        .responses();
    let (path, told) = all
        .iter()
        .find(|(_, told)| {
            told.props.contains_key("owner") && told.href("owner") == "/dav/principals/anna@x.test/"
        })
        .expect("the shared calendar");
    assert!(path.starts_with(home), "{path}");
    assert!(told.inside("resourcetype").contains(&"shared".to_owned()));
    let privileges = told.inside("current-user-privilege-set");
    assert!(privileges.contains(&"read".to_owned()) && !privileges.contains(&"bind".to_owned()));
    assert_ne!(told.text("quota-used-bytes"), "0", "the owner is charged");

    let object = format!("{path}a.ics");
    assert_eq!(ben.get(&object).await.code(), 200);
    assert_eq!(ben.get(&format!("{path}secret.ics")).await.code(), 404);
    let listed = ben.propfind(path, "1", "<D:getetag/>").await.responses();
    assert_eq!(listed.len(), 2, "the calendar and the public event");
    let synced = ben.sync(path, "", None).await;
    assert!(synced.responses().contains_key(&object));
    let put = ben.put(&object, &event("a", "20260305T100000Z", "")).await;
    assert_eq!(
        (put.code(), put.condition().as_str()),
        (403, "need-privileges")
    );
    assert_eq!(ben.send("DELETE", &object, &[], "").await.code(), 403);
    assert_eq!(
        ben.get(&format!("{CALENDAR}a.ics")).await.code(),
        404,
        "only in the own home"
    );

    share(Some(Level::Write)).await;
    let put = ben
        .put(&format!("{path}b.ics"), &event("b", "20260306T100000Z", ""))
        .await;
    assert_eq!(put.code(), 201);
    assert_eq!(anna.get(&format!("{CALENDAR}b.ics")).await.code(), 200);
    // Name and colour are the reader's own.
    let patch = "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><D:displayname>Annas</D:displayname></D:prop></D:set></D:propertyupdate>";
    assert_eq!(
        ben.send("PROPPATCH", path, &[], patch)
            .await
            .only()
            .props
            .len(),
        1
    );
    assert_eq!(
        ben.propfind(path, "0", "<D:displayname/>")
            .await
            .only()
            .text("displayname"),
        "Annas"
    );
    assert_ne!(
        anna.propfind(CALENDAR, "0", "<D:displayname/>")
            .await
            .only()
            .text("displayname"),
        "Annas"
    );

    share(None).await;
    assert_eq!(ben.get(&object).await.code(), 404);
    assert_eq!(anna.get(&format!("{CALENDAR}a.ics")).await.code(), 200);
    world.server.db.assert_adds_up(world.anna).await;
}
