// One address of the server that is asked again and again.

export class NoAnswer extends Error {}

export class Source {
  #address;
  #tag = null;

  // Milliseconds after which the server wants to be asked again; null if it said nothing.
  retryAfter = null;

  constructor(address) {
    this.#address = address;
  }

  // Returns the text at the address; null if it is the same as the last time.  Throws
  // NoAnswer, whose message can be shown, if there is none.
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
      throw new NoAnswer("The server does not answer. Trying again …");
    }
    const seconds = reply.headers.get("Retry-After");
    this.retryAfter = seconds && 1000 * Number(seconds);
    if (reply.status === 304) return null;
    // A proxy with a login of its own, such as JupyterHub's, leads to its page for that.
    if (reply.status === 401 || reply.redirected) {
      throw new NoAnswer("You are signed out. Reload the page to sign in.");
    }
    if (reply.status === 404) throw new NoAnswer("This is no longer on the server.");
    if (!reply.ok) throw new NoAnswer(`The server answers ${reply.status}. Trying again …`);
    const text = await reply.text();
    this.#tag = reply.headers.get("ETag");
    return text;
  }
}
