"""The history of the database's shape, one file a step. Every step goes up and down."""
