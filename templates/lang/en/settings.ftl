# Settings.

set-account = Account and sender
set-security = Password and security
set-language = Language and region
set-display = Display
set-mail = Reading and writing
set-signatures = Signatures
set-storage = Storage
set-search = Search settings
set-search-none = Nothing found.
set-topics-account = Name, addresses, aliases
set-topics-security = Change password, generate password, sessions, sign-ins
set-topics-language = Language, time zone, time
set-topics-display = Light, dark, density, reading pane, font, shortcuts
set-topics-mail = Mark as read, remote images, undo send, forgotten attachment, collect addresses
set-topics-signatures = Signature
set-topics-storage = Storage, quota, large messages, folders

set-name = Name
set-name-text = This is how recipients see your name.
set-addresses = Your addresses
set-addresses-text = Messages to these addresses arrive in this mailbox. Your domain administrator manages them.
time-zone = Time zone
time-zone-now = It is now { $time } there.
density = Density of the list
density-komfortabel = Comfortable
density-normal = Normal
density-kompakt = Compact
reader-place = Reading pane
reader-right = Right
reader-below = Below
reader-off = None
font = Font
font-system = System font
keys-on = On
keys-lists = In lists only
keys-off = Off
set-reading = Reading
set-writing = Writing
mark-when = Mark as read
mark-at-once = As soon as opened
mark-after-seconds =
    { $n ->
        [one] After one second
       *[other] After { $n } seconds
    }
mark-never = Never by itself
after-what = After archiving or deleting
after-older = Open the older message
after-newer = Open the newer message
after-list = Back to the list
pictures-remote = Remote images
pictures-ask = Ask every time
pictures-never = Never load
pictures-known = Load from known senders
pictures-text = Images always load through this server; the sender does not learn your address.
picture-senders = Senders whose images are loaded
picture-senders-text = You agreed to load images of these senders without being asked.
picture-senders-none = Nobody yet. Choose “Always from …” in a message.
undo-send = Undo send
seconds =
    { $n ->
        [one] 1 second
       *[other] { $n } seconds
    }
attachment-reminder = Remind me when a mentioned attachment is missing
collect-addresses = Remember addresses I write to
signatures-text = The first signature is put below new messages.
signature-new = New signature
signature-text = Text
signature-delete-ask = Delete this signature?
storage-largest = Largest folders
storage-largest-text = Empty Trash and Spam first.
storage-find-large = Find large messages

security-text = Your password is valid for webmail, mail programs and mobile devices.
password-change = Change password
password-changed-on = Last changed on { $date }.
password-change-text = After the change we sign out all other sessions.
password-old = Current password
password-kind = Kind
password-words = Words
password-characters-kind = Characters
password-changed = Password changed. All other sessions are signed out.
strength-3 = Strong.
strength-4 = Very strong.
sessions = Active sessions
session-this = This session
session-seen = last { $time }
sessions-end-others = Sign out all other sessions
login-history = Latest sign-ins
login-history-text = You do not recognise one? Change your password.
login-ok = Signed in
login-failed = Failed
login-was-locked = Locked
