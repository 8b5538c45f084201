"""The command ``bitbucket-fdw``: logins through a browser, ``verify``, and the emulator."""
