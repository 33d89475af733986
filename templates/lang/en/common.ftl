# Words that every page needs. A key stands in exactly one file; the German table beside it has the same keys.

app-name = Postamt
skip-to-content = Skip to content
areas = Areas
start-page = Start page

# Modules
module-mail = Mail
module-calendar = Calendar
module-contacts = Contacts
module-tasks = Tasks
module-admin = Domain
module-settings = Settings
module-settings-short = Settings
module-more = More

# Top bar
search = Search
search-mail = Search mail, e.g. from:hofmann has:attachment
search-settings = Search settings
help = Help
help-and-keys = Help and shortcuts
refresh = Refresh
account-of = Account of { $name }
account-menu = Account menu
theme = Appearance
theme-system = System
theme-light = Light
theme-dark = Dark
language = Language
language-de = Deutsch
language-en = English
keyboard-shortcuts = Keyboard shortcuts
sign-in = Sign in
sign-out = Sign out
storage = Storage
quota = Quota
quota-used = { $used } of { $limit } used
quota-percent = { $percent }% used
imprint = Legal notice
privacy = Privacy
licences = Licences

# Folders
inbox = Inbox
drafts = Drafts
sent = Sent
archive-folder = Archive
junk = Spam
trash = Trash
outbox = Outbox
starred = Starred
snoozed = Snoozed
folder = Folder
folders = Folders
label = Label
labels = Labels
rule = Filter

# Actions
new-message = New message
reply = Reply
reply-all = Reply all
forward = Forward
redirect = Redirect
send = Send
send-later = Send later
discard = Discard
archive = Archive
delete = Delete
move = Move
mark-read = Mark read
mark-unread = Mark unread
snooze = Snooze
star = Star
unstar = Remove star
undo = Undo
restore = Restore
save = Save
cancel = Cancel
close = Close
back = Back
edit = Edit
add = Add
remove = Remove
rename = Rename
create = Create
print = Print
download = Download
copy = Copy
copied = Copied
open = Open
show = Show
hide = Hide
apply = Apply
continue = Continue
confirm = Confirm
retry = Try again
select-all = Select all
more-actions = More actions
share = Share
dismiss = Dismiss
yes = Yes
no = No
on = On
off = Off
none = None
optional = optional
next = Next
previous = Previous
newer = Newer
older = Older

# Messages
message = Message
messages = Messages
conversation = Conversation
to = To
cc = Cc
bcc = Bcc
from = From
name = Name
subject = Subject
no-subject = (no subject)
attachment = Attachment
attachments = Attachments
date = Date
size = Size
unread = Unread
me = Me
count-messages =
    { $n ->
        [one] 1 message
       *[other] { $n } messages
    }
count-unread = { $n } unread
count-selected = { $n } selected

# Time
today = Today
yesterday = Yesterday
tomorrow = Tomorrow
this-week = This week
last-week = Last week
future = Later
never = Never
now = now
minutes =
    { $n ->
        [one] 1 minute
       *[other] { $n } minutes
    }
hours =
    { $n ->
        [one] 1 hour
       *[other] { $n } hours
    }
days =
    { $n ->
        [one] 1 day
       *[other] { $n } days
    }

# Calendar, contacts, tasks (terms)
calendar = Calendar
event = Event
contacts = Contacts
tasks = Tasks
notes = Notes

# Settings
settings = Settings
password = Password
app-password = App password
second-factor = Two-step sign-in
generate-password = Generate password
absence = Out of office
forwarding = Forwarding
signature = Signature
text-block = Snippet
domain = Domain
user = User
alias = Alias
distribution-list = Distribution list
queue = Queue
log = Log
required-field = Please fill this in.

# Sizes
bytes = { $n } bytes

# States
loading = Loading
failed-action = That did not work. Try again
saved = Saved
nothing-here = Nothing here yet.
offline = No connection. You are seeing the last loaded state.
over-quota = Your mailbox is full. New messages are rejected until you free space.
over-quota-sending = Your mailbox is full. The message will be sent, but no copy is kept in Sent.
quota-nearly = Your mailbox is { $percent }% full.
quota-manage = Free space
caps-lock = Caps lock is on.
show-password = Show password
hide-password = Hide password
no-script-hint = Without JavaScript everything works by links and buttons; press “Refresh” to see new messages.
