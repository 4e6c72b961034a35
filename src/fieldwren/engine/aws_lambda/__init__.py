"""The engine on AWS Lambda: thousands of calls at once, without a cluster."""
