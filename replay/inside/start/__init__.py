"""The folder that goes first on a program's path, so that Python finds its `sitecustomize`."""
