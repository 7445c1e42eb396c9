"""What a map alone cannot say: perturbation, evidence, and the verdicts that people sign."""
