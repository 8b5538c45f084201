"""A module that starts a thread when it is imported, as a postmaster must not have."""

import threading

threading.Thread(target=threading.Event().wait, daemon=True).start()
