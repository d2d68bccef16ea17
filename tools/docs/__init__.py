"""Reference pages made from the definitions: `python -m pimlir.tools.docs` writes `docs/reference/*.md`."""
