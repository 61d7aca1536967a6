"""Who somebody is: accounts and their sign-in, household profiles, and the mail they receive.

Sign-up, sign-in, second factors and the list of sessions are django-allauth's (headless); this app
says how they behave here. One address is one account; an account owns profiles; the profile that a
sign-in acts as is kept on the server, so that no request can choose another.
"""
