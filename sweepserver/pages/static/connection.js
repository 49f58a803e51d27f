// The note that tells whether the server still answers.

export function show(message) {
  const note = document.getElementById("connection");
  if (note.textContent !== message) note.textContent = message;
}
