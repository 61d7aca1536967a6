"""The catalogue over HTTP: each answer is what one viewer may see, in the viewer's languages."""
