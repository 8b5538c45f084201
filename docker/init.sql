-- The sample database: role and database "demo", the emulator's workspace "acme" imported.
\getenv password DEMO_PASSWORD
\getenv base_url BITBUCKET_BASE_URL

CREATE ROLE demo LOGIN PASSWORD :'password';
CREATE DATABASE demo OWNER demo;
\connect demo

CREATE EXTENSION bitbucket_fdw CASCADE;
CREATE SERVER bitbucket FOREIGN DATA WRAPPER multicorn
    OPTIONS (wrapper 'bitbucket_fdw.wrapper.BitbucketFdw', base_url :'base_url');
GRANT USAGE ON FOREIGN SERVER bitbucket TO demo;

SET ROLE demo;
-- One of the emulator's fixed credentials; it opens nothing else.
CREATE USER MAPPING FOR demo SERVER bitbucket
    OPTIONS (email 'ada@acme.example', token 'emulator-token-ada-write');
SELECT * FROM bitbucket.import_workspace('bitbucket', 'acme');
