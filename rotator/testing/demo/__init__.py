"""`python -m rotator.testing.demo`: real credentials rotate on a PostgreSQL, an IAM and a token API, and are killed in the middle.

At the end one more does, with its record in an OpenBao.

It needs nothing but this package with its extra `demo`. All servers listen on 127.0.0.1, live in temporary folders and are gone at the
end, as is everything else that it made.

| file | what |
|---|---|
| `story.py` | the acts, in their order |
| `crashes.py` | two of them: killed inside APPLY, killed inside ISSUE |
| `tamper.py` | one more: five ways to falsify a ledger |
| `vault.py` | one more: the record in OpenBao, read by the `bao` client |
| `stage.py` | the servers, the first credentials, the configuration |
| `operator.py` | the real command line, in child processes |
| `consumer.py` | an application that reads its env file and logs in, all the time |
| `holding.py` | a relay that lets a request through and keeps the reply |
| `traces.py` | secrets, processes, users and files that must not be left behind |
| `report.py` | what the onlooker reads |
"""
