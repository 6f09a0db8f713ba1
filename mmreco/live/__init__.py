"""What changes while a recommender serves: the log, what is popular, the items; as values, each made from the last."""
