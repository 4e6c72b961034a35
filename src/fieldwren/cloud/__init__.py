"""What stands in an AWS account: made, looked at and removed again."""
