"""What attackers try against accounts, one module a way of trying. Where else such tests are:

- two sign-ups at once, bodies that are no JSON, rights by mass assignment at sign-up: tests/accounts/test_sign_in.py
- mass assignment of profiles and of the account, foreign and unknown ids of profiles: tests/accounts/test_api.py
- the same of every endpoint of the API, as every role: tests/permissions
- two polls of one television, its codes again: tests/accounts/test_televisions.py
- kids profiles and televisions before sign-in's endpoints and the admin: tests/accounts/test_reach.py
- PINs by trial: tests/accounts/test_pins.py
- a revocation while a cache is filled, or away: tests/accounts/test_principals.py
"""
