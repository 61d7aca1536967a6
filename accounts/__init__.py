"""Who somebody is: accounts and their sign-in, household profiles, devices."""
