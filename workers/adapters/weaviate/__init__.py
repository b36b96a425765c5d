"""Weaviate: the connection, the collections, the objects in them and the queries over them."""
