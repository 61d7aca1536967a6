"""The local inbox: an SMTP server that keeps whatever it receives, and a page that shows it.

No mail of the local platform leaves the machine; this is where it arrives. Nothing here reaches
out: no assets from elsewhere, mails shown without scripts or remote pictures.
"""
