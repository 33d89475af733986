# Mailbox: list, reader, folders.

count-hidden = { $n } more
list-to = To: { $names }
list-no-recipient = (no recipient)
list-no-sender = (no sender)
draft-mark = Draft
important = Important
unread-word = unread
select = Select
select-none = Clear selection
pages = Pages
filters = Filters
filter-unread = Unread
filter-starred = Starred
filter-attachment = With attachment
filter-to-me = To me
sort = Sort
sort-newest = Newest first
sort-oldest = Oldest first
sort-sender = By sender
sort-subject = By subject
sort-size = By size
sort-starred = Starred first
filter-lift = Clear filters
not-junk = Not spam
mark-junk = Mark as spam
mark-answered = Answered
mark-forwarded = Forwarded
purge-ask = Delete for good? It stays under “Restore” for another 30 days.
empty-inbox = All done.
empty-unread = No unread messages.
empty-filter = Nothing matches this filter.
empty-starred = Nothing is starred.
empty-trash = Trash is empty.
empty-junk = No spam.

# Reader
reader = Message
reader-empty = Choose a message.
reader-me = me
reader-to = to { $names }
reader-and-more = { $n } more
reader-older = { $n } older messages
reader-newer = Newer conversation
reader-older-one = Older conversation
reader-body-of = Text of the message from { $name }
reply-to = Reply to
edit-draft = Continue writing
details-show = Show details
show-dark = Show dark
message-headers = Headers
message-source = Source
message-save = Save as file
pictures-blocked = Remote images were not loaded.
pictures-always = Always from { $name }
pictures-show = Show remote images
trackers = Tracking pixels
trackers-removed =
    { $n ->
        [one] One tracking pixel was removed.
       *[other] { $n } tracking pixels were removed.
    }
body-suspicious =
    { $n ->
        [one] A link in this message leads elsewhere than its text says. It is marked.
       *[other] { $n } links in this message lead elsewhere than their text says. They are marked.
    }
reply-elsewhere = The sender uses another address for replies: { $address }
list-mail = This message came by a mailing list.
unsubscribe = Unsubscribe
attachment-message = Message.eml
attachment-unnamed = Unnamed
attachment-danger = may do harm
attachment-danger-ask = Files of this kind may do harm. Download it only if you expected it.
attachments-zip = All as ZIP
body-too-complex = This message is nested too deeply to be shown as designed. You see its text.
body-cut = The message is very long. This is the end of the part shown.
body-cut-all = Show everything
body-empty = This message has no text.
body-link-warning = leads to { "{host}" }
body-quote = Show earlier messages

# Done
done-read =
    { $n ->
        [one] Marked as read
       *[other] { $n } marked as read
    }
done-unread =
    { $n ->
        [one] Marked as unread
       *[other] { $n } marked as unread
    }
done-star =
    { $n ->
        [one] Starred
       *[other] { $n } starred
    }
done-unstar =
    { $n ->
        [one] Star removed
       *[other] { $n } stars removed
    }
done-archive =
    { $n ->
        [one] Archived
       *[other] { $n } conversations archived
    }
done-junk =
    { $n ->
        [one] Moved to spam
       *[other] { $n } moved to spam
    }
done-notjunk =
    { $n ->
        [one] Moved to the inbox
       *[other] { $n } moved to the inbox
    }
done-move =
    { $n ->
        [one] Moved to “{ $folder }”
       *[other] { $n } moved to “{ $folder }”
    }
done-delete =
    { $n ->
        [one] Moved to trash
       *[other] { $n } moved to trash
    }
done-purge =
    { $n ->
        [one] Deleted for good
       *[other] { $n } deleted for good
    }
done-undone = Undone
done-too-late = This can no longer be undone.

# Folders
folders-manage = Manage folders
folder-new = New folder
folder-rename = Rename and move
folder-parent = Under
folder-top = (top level)
folder-delete = Delete folder
folder-delete-text =
    { $n ->
        [0] The folder is empty. Folders below it are deleted too.
        [one] One message and all folders below go to the trash.
       *[other] { $n } messages and all folders below go to the trash.
    }
folder-created = Folder “{ $name }” created
folder-renamed = Folder changed
folder-deleted = Folder deleted, messages are in the trash
folder-empty = Empty
folder-empty-ask = Delete all messages in this folder for good?
folder-emptied =
    { $n ->
        [one] One message deleted
       *[other] { $n } messages deleted
    }

# Search
search-results = Search
search-found =
    { $n ->
        [one] 1 result
       *[other] { $n } results
    }
search-more-than = more than { $n } results
empty-search = No results.
search-everywhere = Search Trash and Spam too

# Outbox
outbox-text = Messages that have not reached all of their recipients yet. They are tried for five days.
outbox-empty = Everything is on its way.
outbox-held = Will be sent: { $time }
outbox-next = Next try: { $time }
outbox-leaving = Being sent right now
outbox-failed = Not delivered. A message in your inbox says why.
outbox-not-to = Not delivered to: { $names }
outbox-recall = Take back
outbox-now = Send now
outbox-retry = Send again
outbox-drop = Give up
outbox-drop-ask = Whoever has not got the message will not get it any more.
outbox-dropped = The message will not be sent any more.
