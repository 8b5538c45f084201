"""An emulator of Bitbucket Cloud's REST API 2.0, for the demo, the tests and the benchmark."""
