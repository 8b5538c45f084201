"""Libraries that read Bitbucket too. Each module runs in an environment that has its library."""
