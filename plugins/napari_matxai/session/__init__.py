"""What the dock knows and may do: state, questions and answers. Imports no Qt; torch only while a question runs."""
