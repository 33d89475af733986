# Signing in and out, first password.

login-address = E-mail address
login-stay = Stay signed in on this device
login-forgotten = Forgotten your password? Your domain administrator resets it.
login-wrong = Wrong user name or password.
login-tries-left =
    { $n ->
        [one] After one more failed attempt, access is locked for 60 minutes.
       *[other] After { $n } more failed attempts, access is locked for 60 minutes.
    }
login-locked =
    { $n ->
        [one] Too many failed attempts. Try again in one minute.
       *[other] Too many failed attempts. Try again in { $n } minutes.
    }
login-later = Very many people are signing in right now. Try again in a few seconds.
login-disabled = This account is switched off. Your domain administrator knows more.
login-code = Code
login-code-text = Enter the six-digit code from your app, or one of your recovery codes.
login-code-wrong = This code is wrong or has expired.
first-title = Choose a password of your own
first-text = You signed in with the initial password for { $address }. Now choose a password that only you know.
first-suggestion = A suggestion, easy to remember:
password-new = New password
password-again = Repeat new password
password-save = Save password
password-another = Another suggestion
password-rules = At least 10 characters, no known password. Several words are better than special characters.
password-bits = about { $n } bits
error-password-again = The two new passwords are not the same.
