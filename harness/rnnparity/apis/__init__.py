"""What an api is: what its options mean, how it stores its weights, where it runs."""
