"""How fast bitbucket_fdw is, beside what else could answer the same questions.

``script/bench`` runs it. :mod:`.queries` has the questions, :mod:`.sides` who answers them,
:mod:`.runner` the measurement of both, :mod:`.measures` what is not a matter of one query.
"""
