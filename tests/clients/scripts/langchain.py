"""LangChain's OpenAIEmbeddings: texts work, its token ids are refused with what to do."""

import openai
from common import TEXTS, URL, close, vectors
from langchain_openai import OpenAIEmbeddings

settings = {"base_url": f"{URL}/v1", "api_key": "none", "model": "encoder"}
told = OpenAIEmbeddings(check_embedding_ctx_length=False, **settings)
close(told.embed_documents(TEXTS), vectors())
close(told.embed_query(TEXTS[0]), vectors()[0])
close(OpenAIEmbeddings(check_embedding_ctx_length=False, dimensions=4, **settings)
      .embed_query(TEXTS[0]), vectors(dimensions=4)[0])  # fmt: skip
# Its default makes token ids with tiktoken, which has to fetch a vocabulary; what it then sends:
try:
    told.client.create(input=[[791, 8415]], model="encoder", encoding_format="base64")
except openai.BadRequestError as error:
    assert "check_embedding_ctx_length=False" in str(error)
else:
    raise AssertionError("token ids of another tokenizer were taken")
