import { render } from "preact";
import { start } from "./boot.ts";
import { App } from "./components/app.tsx";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/chat.css";
import "./styles/tool.css";
import "./styles/composer.css";
import "./styles/prose.css";
import "./styles/sign-in.css";
import "./styles/view.css";
import "./styles/channels.css";
import "./styles/approvals.css";

const root = document.getElementById("app");
if (root !== null) {
  render(<App />, root);
  await start();
}
