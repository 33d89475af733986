# What is said when something does not work: what happened and what to do.

error-title = That did not work
error-id = Reference for your administrator: { $id }
error-home = To the mailbox
error-sign-in = Please sign in.
error-first-password = Please choose a password of your own first.
error-forbidden = This page was too old or came from elsewhere. Reload it and try again.
error-bad-request = The request could not be understood. Reload the page.
error-nothing-selected = Nothing is selected.
error-too-many-rows = That many single messages do not go at once. Choose “all”.
error-too-large = This is larger than allowed.
error-no-folder = This folder no longer exists.
error-no-message = This message is no longer here. It was moved or deleted.
error-not-found = This does not exist, or no longer.
error-exists = This exists already.
error-stale = Something changed meanwhile. Reload the page and try again.
error-invalid = This value is not possible.
error-not-allowed = You are not allowed to do this.
error-too-many = Too often in a short time. Try again later.
error-storage-full = The storage of this server is full. Nothing was changed; the operator knows.
error-unavailable = The server is not ready right now. Nothing is lost; try again in a moment.
error-internal = That did not work. Try again.
error-folder-name-empty = Please enter a name.
error-folder-name-long = This name is too long.
error-folder-name-characters = A name must not contain “/”, and “INBOX” is taken.
error-folder-exists = A folder of this name exists there already.
error-folder-many = No more folders are possible.
