// What a browser has and this Node has not: server-sent events over fetch. As much of it as a page relies on: no header
// of one's own, `message` events with their data, a new connection with the last id where one breaks off, and the end
// where the answer is no stream.
export class EventSource {
  static opened = 0;

  constructor(url) {
    this.url = url;
    this.readyState = 0;
    this.handlers = { open: [], message: [], error: [] };
    this.lastEventId = '';
    this.stop = new AbortController();
    this.run();
  }

  addEventListener(type, handler) {
    this.handlers[type].push(handler);
  }

  emit(type, event = {}) {
    for (const handler of this.handlers[type]) handler(event);
  }

  close() {
    this.readyState = 2;
    this.stop.abort();
  }

  async run() {
    while (this.readyState !== 2) {
      try {
        const headers = this.lastEventId ? { 'last-event-id': this.lastEventId } : {};
        const answer = await fetch(this.url, { headers, signal: this.stop.signal });
        if (answer.status !== 200 || !answer.headers.get('content-type')?.startsWith('text/event-stream')) {
          this.readyState = 2;
          return this.emit('error');
        }
        this.readyState = 1;
        EventSource.opened += 1;
        this.emit('open');
        await this.read(answer.body);
      } catch {
        // As a browser: the same as an end.
      }
      if (this.readyState === 2) return undefined;
      this.readyState = 0;
      this.emit('error');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return undefined;
  }

  async read(body) {
    let text = '';
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        this.dispatch(text.slice(0, end).split('\n'));
        text = text.slice(end + 2);
      }
    }
  }

  dispatch(lines) {
    const field = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
    const [id] = field('id');
    if (id !== undefined) this.lastEventId = id;
    const data = field('data').join('\n');
    if (data && (field('event')[0] ?? 'message') === 'message') this.emit('message', { data, lastEventId: id });
  }
}
