// The question before a session is closed.
import { $, number } from "./dom.js";
import { call, projectPath, unanswered } from "./api.js";

let project = "";
let session = null;
let answer = null; // tells who asked whether something was closed

// kick asks, closes, and resolves with whether something was closed.
export function kick(inProject, s) {
  project = inProject;
  session = s;
  $("kick-what").textContent = `Session ${s.id}${s.user ? ` of ${s.user}` : ""}, connected from ${s.address}, in project ${project}. Its client may connect again.`;
  $("kick-all-label").hidden = !s.user;
  $("kick-all").checked = false;
  $("kick-answer").hidden = true;
  $("kick-dialog").showModal();
  $("kick-reason").focus();
  return new Promise((resolve) => (answer = resolve));
}

$("kick-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const reason = $("kick-reason").value.trim();
  const path = $("kick-all").checked ? `/users/${encodeURIComponent(session.user)}/sessions` : `/sessions/${encodeURIComponent(session.id)}`;
  const say = (text) => {
    $("kick-answer").textContent = text;
    $("kick-answer").hidden = false;
  };
  $("kick-button").disabled = true;
  try {
    const { ok, json } = await call("DELETE", projectPath(project) + path + (reason && "?reason=" + encodeURIComponent(reason)));
    if (!ok) {
      say(json.detail ?? "");
      return;
    }
    $("kicked").textContent = `${number(json.kicked)} ${json.kicked === 1 ? "session" : "sessions"} closed${session.user ? ` of ${session.user}` : ""}.${unanswered(json)}`;
    answer(true);
    $("kick-dialog").close();
  } catch {
    say("The API does not answer.");
  } finally {
    $("kick-button").disabled = false;
  }
});
$("kick-cancel").addEventListener("click", () => $("kick-dialog").close());
$("kick-dialog").addEventListener("close", () => answer?.(false)); // a second answer counts for nothing
