import type { ComponentChildren, JSX } from "preact";

function Icon({ children, size = 18 }: { children: ComponentChildren; size?: number }): JSX.Element {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.75"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

const path =
  (d: string) =>
  ({ size = 18 }: { size?: number }): JSX.Element => (
    <Icon size={size}>
      <path d={d} />
    </Icon>
  );

export const Menu = path("M4 7h16M4 12h16M4 17h10");
export const Plug = path("M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4");
export const Shield = path("M12 3l7 3v5c0 4.5-2.8 8-7 10-4.2-2-7-5.5-7-10V6zM9 11.8l2.2 2.2 3.8-4");
export const Wrench = path(
  "M20 7.5a4.6 4.6 0 0 1-6.3 5.6L7.5 19.3a2 2 0 0 1-2.8-2.8l6.2-6.2A4.6 4.6 0 0 1 16.5 4l-2.9 2.9 1.3 2.2 2.2 1.3z",
);
export const ListIcon = path("M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01");
export const Pulse = path("M3 12h4l3-7 4 14 3-7h4");
export const Chats = path("M4 5h11v8H8l-4 3zM9 16h6l5 3v-9h-2");
export const Heart = path("M12 20s-7.500-4.600-7.500-10A4.200 4.200 0 0 1 12 7.400 4.200 4.200 0 0 1 19.500 10c0 5.400-7.500 10-7.500 10z");
export const Lines = path("M5 5h14v14H5zM8 9h8M8 12h8M8 15h5");
export const Steps = path("M4 6h7M7 12h8M12 18h8");
export const Book = path("M12 6.5C10 5 7.5 4.5 4 4.5v13c3.5 0 6 .5 8 2 2-1.5 4.5-2 8-2v-13c-3.5 0-6 .5-8 2zM12 6.5v13");
export const Servers = path("M4 5h16v5H4zM4 14h16v5H4zM7.5 7.5h.01M7.5 16.5h.01M11 7.5h5M11 16.5h5");
export const Globe = path(
  "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M3 12h18M12 3c2.5 2.6 3.8 5.6 3.8 9s-1.3 6.4-3.8 9c-2.5-2.6-3.8-5.6-3.8-9S9.500 5.600 12 3",
);
export const Chart = path("M4 20h16M7 17v-5M12 17V6M17 17v-8");
export const Clock = path("M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M12 7v5l3.5 2");
export const Spark = path("M12 3v5M12 16v5M3 12h5M16 12h5M6 6l3 3M15 15l3 3M18 6l-3 3M9 15l-3 3");
export const Person = path("M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4.5 20c.8-3.500 3.700-5.500 7.500-5.500s6.700 2 7.500 5.500");
export const Phone = path("M8 3h8v18H8zM11 18h2");
export const Sliders = path("M4 7h9M17 7h3M4 12h3M11 12h9M4 17h11M19 17h1M15 5v4M9 10v4M17 15v4");
export const Download = path("M12 4v11M7 11l5 5 5-5M5 20h14");
export const Again = path("M5 12a7 7 0 0 1 12-4.900L20 10M20 5v5h-5M19 12a7 7 0 0 1-12 4.900L4 14M4 19v-5h5");
export const Fork = path("M7 4v5c0 2 1 3 3 3h4c2 0 3 1 3 3v5M7 20v-8M5 6l2-2 2 2");
export const Plus = path("M12 5v14M5 12h14");
export const Close = path("M6 6l12 12M18 6L6 18");
export const Search = path("M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14M20 20l-4-4");
export const Pencil = path("M4 20l1-4L16 5l3 3L8 19l-4 1M14 7l3 3");
export const Pin = path("M9 4h6l-1 6 3 3v1H7v-1l3-3-1-6M12 14v6");
export const Trash = path("M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12M10.5 11v5M13.5 11v5");
export const Send = path("M12 19V5M6 11l6-6 6 6");
export const Chevron = path("M9 6l6 6-6 6");
export const Down = path("M6 9l6 6 6-6");
export const ArrowDown = path("M12 5v14M6 13l6 6 6-6");
export const Check = path("M5 12.5l4.5 4.5L19 7.5");
export const SignOut = path("M14 5H6v14h8M11 12h9M17 9l3 3-3 3");
export const Sun = path(
  "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8M12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M18.4 5.6l-1.1 1.1M6.7 17.3l-1.1 1.1",
);
export const Moon = path("M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5");
export const Screen = path("M4 5h16v11H4zM9 20h6M12 16v4");
export const Copy = path("M9 9h10v11H9zM15 9V4H5v11h4");
export const Warning = path("M12 4l9 16H3L12 4M12 10v4.5M12 17.2h.01");

export function Stop({ size = 16 }: { size?: number }): JSX.Element {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      <rect x="3" y="3" width="10" height="10" rx="2.5" fill="currentColor" />
    </svg>
  );
}

/** Our own mark: an arch, and someone in it. */
export function Mark({ size = 28 }: { size?: number }): JSX.Element {
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <path d="M7 25V15a9 9 0 0 1 18 0v10" fill="none" stroke="currentColor" stroke-width="3.2" stroke-linecap="round" />
      <circle cx="16" cy="21" r="3.4" fill="currentColor" />
    </svg>
  );
}

export const Gear = path(
  "M12 15.2a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4M19 12l1.8 1.4-1.8 3.2-2.2-.8-1.7 1-.4 2.2h-3.6l-.4-2.2-1.7-1-2.2.8-1.8-3.2L5 12l-1.8-1.4 1.8-3.2 2.2.8 1.7-1 .4-2.2h3.6l.4 2.2 1.7 1 2.2-.8 1.8 3.2z",
);

export const Clip = path("M20 11.5 12.3 19a5 5 0 0 1-7-7l8-8a3.4 3.4 0 0 1 4.8 4.8l-7.9 7.9a1.7 1.7 0 0 1-2.4-2.4l7.2-7.2");
