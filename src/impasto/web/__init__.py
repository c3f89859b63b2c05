"""The page: a local web server that paints, learns and films in a browser, and its HTTP interface."""
