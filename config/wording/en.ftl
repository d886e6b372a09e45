# What Accord says to people. A translation is a file of the same name in the data folder; what it
# lacks is said in English.

# The language of this file: it decides about plural forms.
language = en

## Forms
opinion-form-title = Round { $round }: your opinion
opinion-form-label = A draft reads at most { $characters } characters
opinion-form-placeholder = What do you think, and why? Only you can read it here.
critique-form-title = What would you change?
critique-form-label = What would make you agree more?
critique-form-placeholder = Say what is missing or wrong, as concretely as you can.
