# Help pages and the page for no connection.
help-search = How to search
help-search-text = Type words; what contains all of them is found, in all folders but Trash and Spam. These additions narrow it down, in German and English alike:
help-op-from = sender
help-op-to = recipient
help-op-subject = words in the subject
help-op-attachment = with an attachment
help-op-unread = not read yet
help-op-before = before this day
help-op-after = after this day
help-op-phrase = exactly these words in this order
help-op-not = without this word
help-keys-text = Keys work while you are not typing in a field. They can be switched off in the settings.
help-key-message = Next, previous message of the conversation
help-licences-text = Postamt is under the Apache License 2.0 and contains free software by others.
help-licences-browser = Licences of the parts in the browser
offline-title = No connection
offline-text = The server cannot be reached at the moment. Check your internet connection. What you have written is kept in this browser.
