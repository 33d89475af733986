//! Stories of more than one client, or of more than POP3.

use super::client::World;

/// RFC 1939 6, issue 6: what is marked goes at QUIT, and only then.
#[tokio::test]
async fn what_is_marked_goes_at_quit() {
    let world = World::start().await;
    let anna = world.user("anna").await;
    world.letters(anna, 3).await;
    let mut client = world.sign_in("anna").await;
    assert_eq!(client.say("DELE 2").await, "+OK Marked as deleted");
    drop(client);
    let mut client = world.sign_in("anna").await;
    assert_eq!(client.ask("LIST").await.len(), 3);
    client.say("DELE 2").await;
    assert_eq!(client.ask("LIST").await.len(), 2);
    assert_eq!(client.say("QUIT").await, "+OK Bye");
    client.expect_close().await.unwrap();
    assert_eq!(world.inbox(anna).await, 2);
    world.server.db.assert_adds_up(anna).await;
}
