"""HTTP to verbs and back, three to six lines each. No opinions: what is right or wrong is said in the verbs."""
