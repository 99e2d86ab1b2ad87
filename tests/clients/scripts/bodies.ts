// Requests with their needed fields alone: tsc refuses them where an optional field became a must.
import type { components, paths } from "./xlt";

type Schemas = components["schemas"];
type Body<P extends keyof paths> = paths[P] extends {
  post: { requestBody: { content: { "application/json": infer B } } };
}
  ? B
  : never;

export const embeddings: Schemas["EmbeddingsRequest"] = { input: ["a"] };
export const rerank: Body<"/v1/rerank"> = { query: "a", documents: ["b"] };
export const cohere: Body<"/v1/rerank"> = { query: "a", documents: [{ text: "b" }] };
export const tei: Body<"/embed"> = { inputs: "a" };
export const answer: Body<"/v1/answer"> = { inputs: [{ question: "a", context: "b" }] };
export const bitext: Body<"/v1/bitext"> = { sources: ["a"], targets: ["b"] };
export const infer: Body<"/v2/models/{model}/infer"> = {
  inputs: [{ name: "text", shape: [1], datatype: "BYTES", data: ["a"] }],
};
export const task: Body<"/"> = { inputs: "a" };
// @ts-expect-error: a misspelt type of value is still found
export const wrong: Schemas["EmbeddingsRequest"] = { input: 5 };
