"""Instructions that ask a generative model for an embedding (the paper's released prompts)."""

TEXT = "text"
IMAGE = "image"
IMAGE_QUESTION = "image_question"
IMAGE_SENTENCE = "image_sentence"
IMAGE_AND_SENTENCE = "image_and_sentence"

PROMPTS = {
    TEXT: "Summarize the above sentence in one word:",
    IMAGE: "Summarize the above image in one word:",
    IMAGE_QUESTION: "Summarize the above image with the question in one word:",
    IMAGE_SENTENCE: "Summarize above image and sentence in one word:",
    IMAGE_AND_SENTENCE: "Summarize the above image and the sentence in one word:",
}
"""Instruction of each ``prompt_id``; which side of which task uses which is told by the tasks table."""

PLAIN = {"text": TEXT, "image": IMAGE, "image_text": IMAGE_SENTENCE}
"""The instruction of what a sample of a modality is by itself, whatever is asked."""
