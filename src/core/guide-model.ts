/** The setup guide as a model. The page knows it by its provider too. */
export const GUIDE_PROVIDER = "guide";
export const GUIDE_MODEL = "setup-guide";
export const GUIDE_NAME = "Setup guide (scripted, not an AI model)";
