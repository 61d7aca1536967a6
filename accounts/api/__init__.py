"""How clients meet accounts: our endpoints, and django-allauth's set to our rules."""
