"""The set-up behind script/demo, script/test, script/bench, script/package and the test fixtures.

Standard library only: it runs on /usr/bin/python3 before anything else is installed.
"""
