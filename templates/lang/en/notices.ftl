# Mails the program writes itself.

notice-quota-near-subject = Your mailbox is nearly full
notice-quota-near-text =
    Hello,

    Your mailbox { $address } is more than 90 % full: { $used } of { $quota }.

    Once it is full, new messages to you are rejected, and events, contacts and tasks can no longer be saved either. You can still send; the copy in Sent is then skipped.

    To free space, empty Trash and Spam and delete large messages. The settings page “Storage” shows what takes how much. Your domain administrator can raise your quota.
notice-quota-full-subject = Your mailbox is full
notice-quota-full-text =
    Hello,

    Your mailbox { $address } is full: { $used } of { $quota }.

    New messages to you are rejected until there is room again; their senders are told. Events, contacts and tasks can no longer be saved either. You can still send, but without a copy in Sent.

    To free space, empty Trash and Spam and delete large messages. The settings page “Storage” shows what takes how much. Your domain administrator can raise your quota.
notice-password-subject = Your password was changed
notice-password-text =
    Hello,

    The password of your mailbox { $address } has just been changed. Everything else that was signed in has been signed out; enter the new password on your devices and in your mail programs.

    If this was not you, please contact your domain administrator at once. The settings page “Security” shows when and from where somebody signed in.
notice-password-admin-text =
    Hello,

    An administrator has just set a new initial password for your mailbox { $address }. Everything that was signed in has been signed out; enter the new password on your devices and in your mail programs.

    If you did not ask for this, please contact your domain administrator at once. The settings page “Security” shows when and from where somebody signed in.
