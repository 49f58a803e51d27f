// One address of the server that is asked again and again.

export class Source {
  #address;
  #tag = null;

  constructor(address) {
    this.#address = address;
  }

  // Returns the text at the address; null if it is the same as the last time.  Throws an Error
  // whose message can be shown if there is no answer.
  async news() {
    const headers = this.#tag ? { "If-None-Match": this.#tag } : {};
    let reply;
    try {
      reply = await fetch(this.#address, {
        headers: { Accept: "text/html, application/json", ...headers },
        cache: "no-store",
        signal: AbortSignal.timeout(20_000),
      });
    } catch {
      throw new Error("The server does not answer. Trying again …");
    }
    if (reply.status === 304) return null;
    if (reply.status === 401) throw new Error("You are signed out. Reload the page to sign in.");
    if (reply.status === 404) throw new Error("This is not on the server any more.");
    if (!reply.ok) throw new Error(`The server answers ${reply.status}. Trying again …`);
    const text = await reply.text();
    this.#tag = reply.headers.get("ETag");
    return text;
  }
}
